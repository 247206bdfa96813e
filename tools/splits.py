"""Average over splits: python tools/test_splits.py CONFIG CHECKPOINT; --help lists the options."""

from mmssl_video.apis import cli
from mmssl_video.apis.splits import main

if __name__ == '__main__':
    cli.run(main)
