"""Low-label parts of a list: python tools/data/make_subsets.py LIST; --help lists the options."""

from mmssl_video.commands import run

if __name__ == '__main__':
    run('subsets')
