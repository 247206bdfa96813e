"""Train a model: python tools/train.py CONFIG; --help lists the options."""

from mmssl_video.apis import cli
from mmssl_video.apis.train import main

if __name__ == '__main__':
    cli.run(main)
