"""Averages over splits: python tools/splits.py CONFIG CHECKPOINT; --help lists the options."""

from mmssl_video.commands import run

if __name__ == '__main__':
    run('splits')
