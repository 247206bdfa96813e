"""TV-L1 flow: python tools/data/extract_flow.py LIST --root VIDEOS --out FLOW; see --help."""

from mmssl_video.apis import cli
from mmssl_video.apis.flow import main

if __name__ == '__main__':
    cli.run(main)
