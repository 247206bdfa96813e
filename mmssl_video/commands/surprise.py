"""Failures found by surprise: ``mmssl surprise CHECKPOINT VIDEOS``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.dist import is_main_process

from ..apis.unintentional_surprise import run_surprise
from ..engine.distributed import process_group
from ..results.table import format_table
from . import arguments


def parser() -> arguments.Parser:
    """Arguments of ``mmssl surprise``."""
    parser = arguments.Parser(
        'surprise',
        'Measure how far predicted features are from the true ones over the time of videos, and '
        'how often the greatest surprise is at the failure.',
    )
    parser.add('checkpoint')
    parser.add_argument(
        'videos',
        metavar='VIDEOS',
        help='list file (`path SECONDS` a line, the time of the failure), or a video file or '
        'folder, of which there are curves only',
    )
    parser.add(
        '--root',
        help='folder that the paths of a list start from (default: that of the list, or the '
        'folder videos in it)',
    )
    parser.add_argument(
        '--out',
        metavar='DIR',
        help='folder for results.json, curves.npz and curves.png (default: '
        'work_dirs/surprise_<name of the checkpoint>)',
    )
    parser.add_argument(
        '--draw',
        type=arguments.whole(0),
        default=6,
        metavar='N',
        help='videos in the figure, the first ones',
    )
    parser.add_argument(
        '--min-observed',
        type=arguments.whole(1),
        metavar='BLOCKS',
        help="blocks that a prediction must rest on (default: as many as in the model's training)",
    )
    parser.add('--encoder-config', '--num-workers', '--seed', '--device')
    parser.add_launcher()
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Do as the command line says: prints a table, writes records, curves and a figure."""
    args = parser().parse(argv)
    out = Path(args.out or Path('work_dirs') / f'surprise_{Path(args.checkpoint).stem}')
    with process_group(args.launcher):
        records, curves = run_surprise(
            args.checkpoint,
            args.videos,
            root=args.root,
            encoder_config=args.encoder_config,
            seed=args.seed,
            device=args.device,
            num_workers=args.num_workers,
            out=out,
            draw=args.draw,
            min_observed=args.min_observed,
        )
        if is_main_process():
            for curve in curves[: args.draw] if not records else ():
                print(
                    f'{curve.name}: greatest surprise {np.nanmax(curve.surprise):.3f} at '
                    f'{curve.peak:.2f} s of {curve.duration:.2f} s'
                )
            if records:
                print(f'\n{format_table(records)}')
            print(f'\nresults are in {out}')
