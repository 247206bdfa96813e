"""Failures found by surprise: python tools/surprise.py CHECKPOINT VIDEOS."""

from mmssl_video.commands import run

if __name__ == '__main__':
    run('surprise')
