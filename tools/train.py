"""Train a model: python tools/train.py CONFIG; --help lists the options."""

from mmssl_video.commands import run

if __name__ == '__main__':
    run('train')
