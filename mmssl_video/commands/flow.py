"""TV-L1 optical flow of videos: ``mmssl flow LIST... --root VIDEOS --out FLOW``."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ..datasets.flow_extraction import FlowReport, extract_flow, find_videos
from ..progress import Progress
from . import arguments


def parser() -> arguments.Parser:
    """Arguments of ``mmssl flow``."""
    parser = arguments.Parser(
        'flow',
        'Extract TV-L1 optical flow: FLOW/a/b.avi.flow.mp4, or a folder of JPEGs '
        'FLOW/a/b.avi.flow, for every video a/b.avi. Flow that is there, whole, is skipped; bad '
        'videos are named at the end, with exit code 1.',
    )
    parser.add_argument(
        'sources',
        nargs='+',
        metavar='LIST_OR_FOLDER',
        help='list files (`path label` a line) or folders of videos',
    )
    parser.add(
        '--root',
        help='folder that the paths of the lists start from; a single folder is its own',
    )
    parser.add_argument('--out', metavar='FLOW', required=True, help='folder to write')
    parser.add_argument(
        '--format',
        choices=['mp4', 'jpeg'],
        default='mp4',
        help='one packed file, or a folder of JPEGs, for each video',
    )
    parser.add('--workers')
    parser.add_argument(
        '--bound',
        type=arguments.whole(1, 1000),
        default=20,
        metavar='PIXELS',
        help='longer displacements are clipped to it',
    )
    parser.add_argument(
        '--step',
        type=arguments.whole(1),
        default=1,
        metavar='FRAMES',
        help='flow from frame t to frame t + step; T frames give T - step flows',
    )
    parser.add_argument(
        '--resize',
        type=arguments.whole(16),
        metavar='PIXELS',
        help='resize frames to this short side before',
    )
    parser.add_argument(
        '--crf',
        type=arguments.whole(0, 40),
        default=0,
        metavar='N',
        help='quality of packed files: 0 is exact, 17 a third of the size',
    )
    parser.add_argument('--overwrite', action='store_true', help='make flow anew that is there')
    return parser


class _Reports:
    """Turns the reports of :func:`extract_flow` into steps of a progress line."""

    def __init__(self) -> None:
        self.bar: Progress | None = None
        self.there, self.bad, self.start = 0, 0, time.monotonic()

    def __call__(self, report: FlowReport) -> None:
        if self.bar is None:
            self.bar = Progress('videos', report.total)
        self.bar.step(
            bad=len(report.bad) - self.bad,
            there=report.there - self.there,
            note=f'{report.flows / max(time.monotonic() - self.start, 1e-9):.1f} flows/s',
        )
        self.there, self.bad = report.there, len(report.bad)


def main(argv: Sequence[str] | None = None) -> None:
    """Extract flow as the command line says.

    Raises:
        RuntimeError: Some videos have none; all are printed before.
    """
    args = parser().parse(argv)
    names, root = find_videos(args.sources, args.root)
    report = extract_flow(
        names,
        root,
        args.out,
        args.format,
        args.workers,
        args.bound,
        args.step,
        args.resize or 0,
        args.crf,
        args.overwrite,
        _Reports(),
    )
    print(
        f'flow of {report.made} videos ({report.flows} flows) written to {args.out}, '
        f'{report.there} were there already, {len(report.bad)} are bad'
    )
    for name, reason in report.bad.items():
        print(f'bad: {name}: {reason}')
    if report.bad:
        name, reason = next(iter(report.bad.items()))
        raise RuntimeError(
            f'{len(report.bad)} of {report.total} videos have no flow, all named '
            f'above; the first: {name}: {reason}'
        )
