"""Command lines of ``tools/data/prepare.py`` and ``tools/data/make_subsets.py``."""

from __future__ import annotations

import argparse
import os

from . import cli


def main(argv: list[str] | None = None) -> None:
    """``prepare.py DATASET SRC OUT``."""
    args = vars(_parser().parse_args(argv))
    dataset, of_reader = args['dataset'], {}
    for option, datasets in (
        ('annotations', ('ucf101', 'hmdb51', 'kinetics400', 'oops')),
        ('unfiltered', ('oops',)),
        ('test_share', ('folder',)),
        ('seed', ('folder',)),
    ):
        value = args.pop(option)
        if value is not None:
            if dataset not in datasets:
                raise ValueError(
                    f'--{option.replace("_", "-")} is for {", ".join(datasets)}, not for {dataset}'
                )
            of_reader[option] = value
    from ..datasets.preparation import prepare

    prepare(**args, **of_reader)


def make_subsets_main(argv: list[str] | None = None) -> None:
    """``make_subsets.py LIST``."""
    parser = argparse.ArgumentParser(
        description='Write stratified, nested low-label parts of a list beside it, as '
        '<stem>_<percent>percent_seed<seed>.txt. Of each class round(percent x videos) '
        'are kept (half rounds up), but at least one.'
    )
    parser.add_argument('list', metavar='LIST', help='list file with lines "path LABEL"')
    parser.add_argument(
        '--percent', type=_percent, nargs='+', default=[10, 20, 50], help='percentages (10 20 50)'
    )
    parser.add_argument('--seed', type=cli.seed, default=0, help='of the choice (0)')
    args = parser.parse_args(argv)
    from ..datasets.preparation import make_subsets

    for made in make_subsets(args.list, args.percent, args.seed):
        print(
            f'{made["file"]}: {made["videos"]:,} videos of {made["classes"]} classes, '
            f'{made["smallest"]} to {made["largest"]} per class'
        )


def _percent(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f'must be a percentage, not {text!r}') from None
    return int(number) if number.is_integer() else number


def _share(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f'must be a share from 0 to 1, not {text!r}')
    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description='Write list files for a downloaded dataset, verify every video, and link to '
        'the videos (OUT/videos) or write smaller copies of them (--resize). Run it '
        'again to go on after an interruption. docs/data.md tells more.'
    )
    parser.add_argument(
        'dataset',
        choices=['ucf101', 'hmdb51', 'kinetics400', 'oops', 'folder'],
        help='what SRC holds; folder: videos of your own, DIR/<class>/…',
    )
    parser.add_argument('src', metavar='SRC', help='folder of the unpacked download')
    parser.add_argument('out', metavar='OUT', help='folder to write, such as data/ucf101')
    parser.add_argument(
        '--annotations',
        metavar='DIR',
        help='folder of the official lists, where they are not in or beside SRC',
    )
    parser.add_argument(
        '--resize',
        metavar='PIXELS',
        type=cli.whole(32),
        help='write H.264 copies with this short side (256) instead of linking',
    )
    parser.add_argument(
        '--workers', type=cli.whole(1), default=os.cpu_count() or 1, help='processes (one per core)'
    )
    parser.add_argument(
        '--allow-incomplete',
        action='store_true',
        help='go on though counts differ from the official ones or videos are '
        'missing; missing ones are left out of the lists',
    )
    parser.add_argument(
        '--max-missing',
        type=_share,
        default=0.1,
        metavar='SHARE',
        help='share of Kinetics or Oops that may be missing (0.1)',
    )
    parser.add_argument(
        '--drop-bad',
        action='store_true',
        help='leave videos that cannot be used out of the lists; without this they '
        'stay in and the exit status is 1',
    )
    parser.add_argument(
        '--no-verify',
        dest='verify',
        action='store_false',
        help='write the lists without opening the videos',
    )
    parser.add_argument(
        '--timeout',
        type=cli.whole(1),
        default=600,
        metavar='SECONDS',
        help='a video that takes longer counts as bad (600)',
    )
    parser.add_argument(
        '--unfiltered',
        action='store_const',
        const=True,
        help="Oops: use also videos that fail its authors' quality control",
    )
    parser.add_argument(
        '--test-share',
        type=_share,
        metavar='SHARE',
        help='folder: share of each class for testing (0.25)',
    )
    parser.add_argument('--seed', type=cli.seed, help='folder: of the split (0)')
    return parser
