"""How alike clips look: python tools/analyse_similarity.py CHECKPOINT --videos LIST."""

from mmssl_video.commands import run

if __name__ == '__main__':
    run('similarity')
