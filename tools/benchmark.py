"""Ratios of speed and memory: python tools/benchmark.py SECTION ...; --help lists the options."""

from mmssl_video.commands import run

if __name__ == '__main__':
    run('benchmark')
