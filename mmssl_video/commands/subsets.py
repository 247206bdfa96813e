"""Low-label parts of a list: ``mmssl subsets LIST``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from ..datasets.preparation import make_subsets
from . import arguments


def parser() -> arguments.Parser:
    """Arguments of ``mmssl subsets``."""
    parser = arguments.Parser(
        'subsets',
        'Write stratified, nested low-label parts of a list beside it, as '
        '<stem>_<percent>percent_seed<seed>.txt. Of each class round(percent x videos) are kept '
        '(half rounds up), but at least one.',
    )
    parser.add_argument('list', metavar='LIST', help='list file (`path label` a line)')
    parser.add_argument(
        '--percent',
        type=_percent,
        nargs='+',
        default=[10, 20, 50],
        metavar='PERCENT',
        help='shares of each class to keep',
    )
    parser.add('--seed', help='seed of the choice')
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Write parts of a list as the command line says."""
    args = parser().parse(argv)
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
