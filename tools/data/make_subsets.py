"""Low-label parts of a list: python tools/data/make_subsets.py LIST; --help lists the options."""

from mmssl_video.apis import cli
from mmssl_video.apis.prepare_data import make_subsets_main

if __name__ == '__main__':
    cli.run(make_subsets_main)
