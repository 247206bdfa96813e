"""Compare checkpoints: python tools/summarize_results.py RESULTS.json ...; see --help."""

from mmssl_video.apis import cli
from mmssl_video.apis.summary import main

if __name__ == '__main__':
    cli.run(main)
