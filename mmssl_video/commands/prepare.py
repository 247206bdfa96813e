"""Lists of a downloaded data set, its videos verified: ``mmssl prepare DATASET SRC OUT``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from ..datasets.preparation import prepare
from . import arguments

#: Options that some data sets have.
_OF_SOME = {
    'annotations': ('ucf101', 'hmdb51', 'kinetics400', 'oops'),
    'unfiltered': ('oops',),
    'test_share': ('folder',),
    'seed': ('folder',),
}


def parser() -> arguments.Parser:
    """Arguments of ``mmssl prepare``."""
    parser = arguments.Parser(
        'prepare',
        'Write list files for a downloaded data set, verify every video, and link to the videos '
        '(OUT/videos) or write smaller copies of them (--resize). Run it again to go on after an '
        'interruption.',
    )
    parser.add_argument(
        'dataset',
        metavar='DATASET',
        choices=['ucf101', 'hmdb51', 'kinetics400', 'oops', 'folder'],
        help='what SRC holds: ucf101, hmdb51, kinetics400, oops, or folder: videos of your own, '
        'DIR/<class>/…',
    )
    parser.add_argument('src', metavar='SRC', help='folder of the unpacked download, or your own')
    parser.add_argument('out', metavar='OUT', help='folder to write, such as data/ucf101')
    parser.add_argument(
        '--annotations',
        metavar='DIR',
        help='folder of the official lists, where they are not in or beside SRC',
    )
    parser.add_argument(
        '--resize',
        metavar='PIXELS',
        type=arguments.whole(32),
        help='write H.264 copies with this short side, such as 256, instead of linking',
    )
    parser.add('--workers')
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
        help='share of Kinetics or Oops that may be missing',
    )
    parser.add_argument(
        '--drop-bad',
        action='store_true',
        help='leave videos that cannot be used out of the lists; without this they '
        'stay in and the exit code is 1',
    )
    parser.add_argument(
        '--no-verify',
        dest='verify',
        action='store_false',
        help='write the lists without opening the videos',
    )
    parser.add_argument(
        '--timeout',
        type=arguments.whole(1),
        default=600,
        metavar='SECONDS',
        help='a video that takes longer counts as bad',
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
        help='folder: share of each class for testing (default: 0.25)',
    )
    parser.add('--seed', default=None, help='folder: seed of the split (default: 0)')
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Prepare as the command line says."""
    args = vars(parser().parse(argv))
    of_reader = {}
    for option, datasets in _OF_SOME.items():
        value = args.pop(option)
        if value is not None:
            if args['dataset'] not in datasets:
                raise ValueError(
                    f'--{option.replace("_", "-")} is for {", ".join(datasets)}, not for '
                    f'{args["dataset"]}'
                )
            of_reader[option] = value
    prepare(**args, **of_reader)


def _share(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f'must be a share from 0 to 1, not {text!r}')
    return number
