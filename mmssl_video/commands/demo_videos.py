"""Generated videos whose class is a motion: ``mmssl demo-videos OUT``."""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Sequence

from ..datasets.demo_videos import make_demo_videos
from . import arguments


def size(text: str) -> tuple[int, int]:
    """``'96x128'`` -> (96, 128), height x width."""
    match = re.fullmatch(r'(\d+)x(\d+)', text)
    if not match:
        raise argparse.ArgumentTypeError(f'size is HEIGHTxWIDTH such as 96x128, got {text!r}')
    return int(match[1]), int(match[2])


def parser() -> arguments.Parser:
    """Arguments of ``mmssl demo-videos``."""
    parser = arguments.Parser(
        'demo-videos',
        'Write generated videos whose class is a motion, as OUT/videos/<class>/*.mp4 with '
        'OUT/train.txt, OUT/test.txt and OUT/classes.txt.',
    )
    parser.add_argument('out', metavar='OUT', help='folder to write')
    parser.add_argument('--classes', type=int, default=8, metavar='N', help='number of motions')
    parser.add_argument(
        '--per-class', type=int, default=40, metavar='N', help='videos of each motion'
    )
    parser.add('--seed', type=int, help='seed of the whole set')
    parser.add_argument(
        '--size', type=size, default='96x128', metavar='HEIGHTxWIDTH', help='frames, in pixels'
    )
    parser.add_argument('--frames', type=int, default=150, metavar='N', help='frames of each video')
    parser.add_argument('--fps', type=int, default=30, metavar='N', help='frames per second')
    parser.add_argument(
        '--test-share',
        type=float,
        default=0.2,
        metavar='SHARE',
        help='share of each class that is for testing',
    )
    parser.add_argument(
        '--codec',
        default='auto',
        choices=['auto', 'libx264', 'mpeg4'],
        help='auto: H.264 where the installed PyAV has it, else MPEG-4',
    )
    parser.add('--workers', default=1)
    parser.add_argument(
        '--failures',
        action='store_true',
        help='let the motion of every video break at a moment, which the lists give in seconds (as '
        'the Oops data set does)',
    )
    parser.add_argument(
        '--overwrite', action='store_true', help='replace a set made with other settings'
    )
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Make videos as the command line says."""
    args = parser().parse(argv)
    start = last = time.monotonic()

    def progress(done: int, total: int) -> None:
        nonlocal last
        if done == total or time.monotonic() - last > 5:
            last = time.monotonic()
            print(f'{done}/{total} videos, {last - start:.0f} s', flush=True)

    made = make_demo_videos(progress=progress, **vars(args))
    print(
        f'Demo videos {"written to" if made else "are already in"} {args.out} '
        '(train.txt, test.txt and classes.txt beside videos/).'
    )
