"""Two-stream fusion from result files: ``mmssl fuse RGB.npz FLOW.npz``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..apis.fusion import run_fusion
from ..results.table import format_table
from . import arguments


def parser() -> arguments.Parser:
    """Arguments of ``mmssl fuse``."""
    parser = arguments.Parser(
        'fuse',
        'Fuse models of several streams, such as RGB and flow, from result files: class '
        'probabilities or retrieval similarities are averaged.',
    )
    parser.add_argument(
        'files',
        nargs='+',
        metavar='NPZ',
        help='result files of one test list, from mmssl test --dump',
    )
    parser.add_argument(
        '--weights',
        nargs='+',
        type=float,
        metavar='WEIGHT',
        help='weight of each file (default: all alike)',
    )
    parser.add(
        '--out',
        default=str(Path('work_dirs') / 'fuse' / 'results.json'),
        help='file the results are appended to',
    )
    parser.add('--device', default='cpu', help='where to compute, such as cpu or cuda:1')
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Fuse as the command line says: prints a table, appends the records to a JSON file."""
    args = parser().parse(argv)
    records = run_fusion(args.files, args.weights, out=args.out, device=args.device)
    print(format_table(records))
    print(f'\nresults are in {args.out}')
