"""Pre-train and judge: python tools/quickstart.py; quickstart.sh installs first."""

from mmssl_video.commands import run

if __name__ == '__main__':
    run('quickstart')
