"""Write the features of videos: python tools/extract_features.py CHECKPOINT VIDEOS --out NPZ."""

from mmssl_video.commands import run

if __name__ == '__main__':
    run('features')
