"""Generated videos: python tools/data/make_demo_videos.py OUT; --help lists the options."""

from mmssl_video.commands import run

if __name__ == '__main__':
    run('demo-videos')
