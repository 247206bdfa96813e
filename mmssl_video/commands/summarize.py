"""Tables that compare checkpoints: ``mmssl summarize RESULTS.json ...``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..atomic_files import write_atomic
from ..results.summary import summarize
from ..results.work_dir import check_work_dir
from . import arguments


def parser() -> arguments.Parser:
    """Arguments of ``mmssl summarize``."""
    parser = arguments.Parser(
        'summarize',
        'Compare checkpoints: tables of the records in results files, one for each data set, split '
        'and views. What was measured with several seeds is averaged, and says so.',
    )
    parser.add_argument('files', nargs='+', metavar='JSON', help='results files')
    parser.add_argument(
        '--format',
        choices=['markdown', 'csv', 'text'],
        default='markdown',
        help='csv has every single figure in a row',
    )
    parser.add_argument('--out', metavar='FILE', help='file to write (default: print)')
    parser.add_argument('--figure', metavar='PNG', help='draw the bars of every table')
    parser.add_argument(
        '--protocol',
        nargs='+',
        metavar='NAME',
        help="these only; 'retrieval/*' stands for all that begin so",
    )
    parser.add_argument('--metric', nargs='+', metavar='NAME', help='these only, such as top1')
    parser.add_argument(
        '--over-checkpoints',
        action='store_true',
        help='average checkpoints of one name: networks that were trained with several seeds',
    )
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Summarise as the command line says."""
    args = parser().parse(argv)
    for path, option in ((args.out, '--out'), (args.figure, '--figure')):
        if path and Path(path).is_dir():
            raise ValueError(f'{option} {path} is a directory: name a file in it')
        if path:
            check_work_dir(Path(path).parent, 'the folder', option)
    summary = summarize(
        args.files,
        form=args.format,
        protocols=args.protocol,
        metrics=args.metric,
        over_checkpoints=args.over_checkpoints,
        figure=args.figure,
    )
    if args.out:
        write_atomic(summary.text.encode(), Path(args.out))
        print(f'{summary.num_records} records are in {args.out}')
    else:
        print(summary.text, end='')
    if args.figure and (args.out or args.format != 'csv'):  # a program that reads rows wants rows
        print(
            f'\nthe figure is {args.figure}'
            + (
                f'; not in %, so not drawn: {"; ".join(summary.not_drawn)}'
                if summary.not_drawn
                else ''
            )
        )
