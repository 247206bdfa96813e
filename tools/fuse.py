"""Fuse streams: python tools/fuse.py RGB.npz FLOW.npz; --help lists the options."""

from mmssl_video.commands import run

if __name__ == '__main__':
    run('fuse')
