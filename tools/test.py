"""Evaluate a checkpoint: python tools/test.py CONFIG CHECKPOINT; --help lists the options."""

from mmssl_video.commands import run

if __name__ == '__main__':
    run('test')
