"""Draw how alike clips look to encoders (SSTL, Figures 1 and 2); see --help."""

from mmssl_video.apis import cli
from mmssl_video.apis.clip_similarity import main

if __name__ == '__main__':
    cli.run(main)
