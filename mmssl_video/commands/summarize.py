"""Comparison tables of results files: ``python tools/summarize_results.py RESULTS.json ...``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ..atomic_files import write_atomic
from ..evaluation.figure import draw_bars
from ..evaluation.report import read_results
from ..evaluation.summary import NEEDED, choose, format_csv, format_tables, make_tables
from . import cli
from .train import check_work_dir


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Arguments of ``tools/summarize_results.py``."""
    parser = argparse.ArgumentParser(
        prog='summarize_results.py',
        description='Compare checkpoints: tables of the records in '
        'results files, one for each data set, split and views. What was measured with several '
        'seeds is averaged, and says so.',
        epilog=f'{cli.DEBUG}=1 in the environment shows the traceback of every error.',
    )
    parser.add_argument(
        'files', nargs='+', metavar='RESULTS.json', help='results files of our tools'
    )
    parser.add_argument(
        '--format',
        choices=['markdown', 'csv', 'text'],
        default='markdown',
        help='csv has every single figure in a row (default: markdown)',
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
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Summarise as the command line says."""
    args = parse_args(argv)
    for path, option in ((args.out, '--out'), (args.figure, '--figure')):
        if path and Path(path).is_dir():
            raise ValueError(f'{option} {path} is a directory: name a file in it')
        if path:
            check_work_dir(Path(path).parent, 'the folder', option)
    records = choose(read_files(args.files), args.protocol, args.metric)
    tables = make_tables(records, args.over_checkpoints)
    text = (
        format_csv(records) if args.format == 'csv' else format_tables(tables, args.format) + '\n'
    )
    if args.figure:
        draw_bars(args.figure, {table.title: table.records for table in tables})
    if args.out:
        write_atomic(text.encode(), Path(args.out))
        print(f'{len(records)} records are in {args.out}')
    else:
        print(text, end='')
    if args.figure:
        left_out = [
            table.title for table in tables if table.records[0].get('unit', 'percent') != 'percent'
        ]
        if args.out or args.format != 'csv':  # rows of a program that reads them stay alone
            print(
                f'\nthe figure is {args.figure}'
                + (f'; not in %, so not drawn: {"; ".join(left_out)}' if left_out else '')
            )


def read_files(files: Sequence[str | Path]) -> list[dict]:
    """Records of results files, each once, in order of their making within a file.

    Raises:
        FileNotFoundError: A file is not there.
        ValueError: A file holds no results, or records that lack what a table needs.
    """
    records = []
    for path in dict.fromkeys(Path(file) for file in files):
        if not path.exists():
            raise FileNotFoundError(
                f'there is no results file {path}: the tools print where they write theirs'
            )
        found = read_results(path)
        if not found:
            raise ValueError(f'{path} holds no results')
        for number, record in enumerate(found, 1):
            missing = [key for key in NEEDED if key not in record]
            if missing:
                raise ValueError(
                    f'record {number} of {path} lacks {", ".join(missing)}: it was '
                    'not made by a tool of ours, or by an old one'
                )
            if record not in records:  # files may be copies, or parts, of each other
                records.append(record)
    return records


if __name__ == '__main__':
    cli.run(main)
