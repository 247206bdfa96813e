"""Write a set of generated videos whose class is a motion, with train and test lists.

python tools/data/make_demo_videos.py OUT --classes 8 --per-class 40 --seed 0 --size 96x128
"""

from __future__ import annotations

import argparse
import re
import sys
import time


def size(text: str) -> tuple[int, int]:
    """'96x128' -> (96, 128), height x width."""
    match = re.fullmatch(r'(\d+)x(\d+)', text)
    if not match:
        raise argparse.ArgumentTypeError(f'size is HEIGHTxWIDTH such as 96x128, got {text!r}')
    return int(match[1]), int(match[2])


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Write generated videos whose class is a motion, as OUT/videos/<class>/*.mp4 '
        'with OUT/train.txt, OUT/test.txt and OUT/classes.txt.',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument('out', metavar='OUT', help='folder to write')
    parser.add_argument('--classes', type=int, default=8, help='number of motions')
    parser.add_argument('--per-class', type=int, default=40, help='videos of each motion')
    parser.add_argument('--seed', type=int, default=0, help='seed of the whole set')
    parser.add_argument('--size', type=size, default='96x128', help='HEIGHTxWIDTH in pixels')
    parser.add_argument('--frames', type=int, default=150, help='frames of each video')
    parser.add_argument('--fps', type=int, default=30, help='frames per second')
    parser.add_argument(
        '--test-share', type=float, default=0.2, help='share of each class that is for testing'
    )
    parser.add_argument(
        '--codec',
        default='auto',
        choices=['auto', 'libx264', 'mpeg4'],
        help='H.264 where the installed PyAV has it, else MPEG-4',
    )
    parser.add_argument('--workers', type=int, default=1, help='processes')
    parser.add_argument(
        '--failures',
        action='store_true',
        help='let the motion of every video break at a moment, which the lists '
        'give in seconds (as the Oops dataset does)',
    )
    parser.add_argument(
        '--overwrite', action='store_true', help='replace a set made with other settings'
    )
    return parser.parse_args()


def main() -> int:
    args = parse_args()
    from mmssl_video.datasets.demo_videos import make_demo_videos  # seconds: after --help

    start = last = time.monotonic()

    def progress(done: int, total: int) -> None:
        nonlocal last
        if done == total or time.monotonic() - last > 5:
            last = time.monotonic()
            print(f'{done}/{total} videos, {last - start:.0f} s', flush=True)

    try:
        made = make_demo_videos(progress=progress, **vars(args))
    except (ValueError, OSError) as error:
        print(f'make_demo_videos: {error}', file=sys.stderr)
        return 1
    print(
        f'Demo videos {"written to" if made else "are already in"} {args.out} '
        '(train.txt, test.txt and classes.txt beside videos/).'
    )
    return 0


if __name__ == '__main__':
    sys.exit(main())
