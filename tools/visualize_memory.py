"""Pictures of a memory: python tools/visualize_memory.py CHECKPOINT --videos LIST --out PNG."""

from mmssl_video.commands import run

if __name__ == '__main__':
    run('memory')
