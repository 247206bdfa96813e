"""TV-L1 optical flow of videos: ``tools/data/extract_flow.py LIST... --root VIDEOS --out FLOW``."""

from __future__ import annotations

import argparse
import os
import sys
import time

from mmssl_video.datasets.flow import FlowReport, extract_flow, find_videos
from mmssl_video.datasets.preparation.progress import duration

from . import cli


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Arguments of ``tools/data/extract_flow.py``."""
    parser = argparse.ArgumentParser(
        prog='extract_flow.py',
        description='Extract TV-L1 optical flow: FLOW/a/b.avi.flow.mp4, or a folder of JPEGs '
                    'FLOW/a/b.avi.flow, for every video a/b.avi. Flow that is there, whole, is '
                    'skipped; bad videos are named at the end, with exit code 1.',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument('sources', nargs='+', metavar='LIST_OR_FOLDER',
                        help='list files (path and label in a line) or folders of videos')
    parser.add_argument('--root', metavar='VIDEOS', help='folder that the paths of the lists start '
                        'from; a single folder is its own')
    parser.add_argument('--out', metavar='FLOW', required=True, help='folder to write')
    parser.add_argument('--format', choices=['mp4', 'jpeg'], default='mp4',
                        help='one packed file, or a folder of JPEGs, for each video')
    parser.add_argument('--workers', type=cli.whole(1), default=_cores(), metavar='N',
                        help='processes, each with one thread')
    parser.add_argument('--bound', type=cli.whole(1, 1000), default=20, metavar='PIXELS',
                        help='longer displacements are clipped to it')
    parser.add_argument('--step', type=cli.whole(1), default=1, metavar='FRAMES',
                        help='flow from frame t to frame t + step; T frames give T - step flows')
    parser.add_argument('--resize', type=cli.whole(16), metavar='SHORT_SIDE',
                        help='resize frames to this short side in pixels before')
    parser.add_argument('--crf', type=cli.whole(0, 40), default=0,
                        help='quality of packed files: 0 is exact, 17 a third of the size')
    parser.add_argument('--overwrite', action='store_true', help='make flow anew that is there')
    return parser.parse_args(argv)


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1


class Progress:
    """A line that is overwritten on a terminal, or one every half minute in a log."""

    def __init__(self) -> None:
        self.start = time.monotonic()
        self.shown = self.start - 25  # the first line of a log after five seconds
        self.terminal = sys.stdout.isatty()

    def __call__(self, report: FlowReport) -> None:
        done, now = report.made + report.there + len(report.bad), time.monotonic()
        last = done == report.total
        if not last and now - self.shown < (0.2 if self.terminal else 30):
            return
        self.shown, spent = now, max(now - self.start, 1e-9)
        worked = report.made + len(report.bad)  # those that are there cost no time
        left = spent * (report.total - done) / worked if worked else 0
        text = (f'{done}/{report.total} videos ({report.there} there already, {len(report.bad)} '
                f'bad), {report.made / spent * 60:.1f} videos/min, {report.flows / spent:.1f} '
                f'flows/s, {duration(left)} left')
        print(f'\r{text:<100}' if self.terminal else text, end='' if self.terminal and not last
              else '\n', flush=True)


def main(argv: list[str] | None = None) -> None:
    """Extract flow as the command line says.

    Raises:
        RuntimeError: Some videos have none; all are printed before.
    """
    args = parse_args(argv)
    names, root = find_videos(args.sources, args.root)
    report = extract_flow(names, root, args.out, args.format, args.workers, args.bound, args.step,
                          args.resize or 0, args.crf, args.overwrite, Progress())
    print(f'flow of {report.made} videos ({report.flows} flows) written to {args.out}, '
          f'{report.there} were there already, {len(report.bad)} are bad')
    for name, reason in report.bad.items():
        print(f'bad: {name}: {reason}')
    if report.bad:
        name, reason = next(iter(report.bad.items()))
        raise RuntimeError(f'{len(report.bad)} of {report.total} videos have no flow, all named '
                           f'above; the first: {name}: {reason}')

