"""Evaluate a checkpoint: python tools/test.py CONFIG CHECKPOINT; --help lists the options."""

from mmssl_video.apis import cli
from mmssl_video.apis.testing import main

if __name__ == '__main__':
    cli.run(main)
