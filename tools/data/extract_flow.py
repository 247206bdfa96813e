"""Optical flow of videos: python tools/data/extract_flow.py LIST --root VIDEOS --out FLOW."""

from mmssl_video.commands import run

if __name__ == '__main__':
    run('flow')
