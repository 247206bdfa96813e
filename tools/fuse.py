"""Fuse result files of several streams: python tools/fuse.py RGB.npz FLOW.npz; see --help."""

from mmssl_video.apis import cli
from mmssl_video.apis.fusion import main

if __name__ == '__main__':
    cli.run(main)
