"""Compare checkpoints: python tools/summarize_results.py RESULTS.json ...."""

from mmssl_video.commands import run

if __name__ == '__main__':
    run('summarize')
