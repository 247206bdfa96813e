"""Surprise over the time of videos: python tools/surprise.py CHECKPOINT VIDEOS; see --help."""

from mmssl_video.apis import cli
from mmssl_video.apis.surprise import main

if __name__ == '__main__':
    cli.run(main)
