"""From nothing to a judged representation: ``mmssl quickstart``."""

from __future__ import annotations

from collections.abc import Sequence

from ..apis.quickstart import run_quickstart
from . import arguments


def parser() -> arguments.Parser:
    """Arguments of ``mmssl quickstart``."""
    parser = arguments.Parser(
        'quickstart',
        'Pre-train MemDPC on the demo videos or on a folder of your own, then judge what it '
        'learned. An interrupted run goes on where it stopped when the command is given again.',
    )
    parser.add_argument(
        '--videos',
        metavar='DIR',
        help='your own videos, DIR/<class>/**/*.mp4 (any depth, any common container); without '
        'class folders the encoder is pre-trained and features are written (default: generated '
        'demo videos)',
    )
    parser.add_argument(
        '--out',
        metavar='DIR',
        help='where everything goes (default: work_dirs/quickstart, or work_dirs/quickstart_<name '
        'of DIR>)',
    )
    parser.add_argument(
        '--config', default='memdpc_demo', metavar='CONFIG', help='pre-training config'
    )
    parser.add_argument(
        '--epochs',
        type=arguments.whole(1),
        metavar='N',
        help='pre-training epochs (default: as many as see the number of clips that the config '
        'sees on the demo videos)',
    )
    parser.add(
        '--seed',
        help='seed of the training, the random encoder and the split of your own videos',
    )
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Run as the command line says."""
    args = parser().parse(argv)
    report = run_quickstart(args.videos, args.out, args.config, args.epochs, args.seed)
    print(f'\n{report}')
