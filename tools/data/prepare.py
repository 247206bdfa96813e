"""Prepare a dataset: python tools/data/prepare.py ucf101 SRC OUT; --help lists the options."""

from mmssl_video.apis import cli
from mmssl_video.apis.prepare_data import main

if __name__ == '__main__':
    cli.run(main)
