"""Prepare a data set: python tools/data/prepare.py ucf101 SRC OUT; --help lists the options."""

from mmssl_video.commands import run

if __name__ == '__main__':
    run('prepare')
