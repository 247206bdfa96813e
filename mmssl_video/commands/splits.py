"""Averages over splits: ``mmssl splits CONFIG CHECKPOINT``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmengine.dist import is_main_process

from ..apis.splits import evaluate_splits, train_splits, with_split
from ..engine.distributed import process_group
from ..results.averages import format_splits
from ..results.records import read_results
from ..results.work_dir import check_work_dir
from ..settings.load import load_config
from . import arguments


def parser() -> arguments.Parser:
    """Arguments of ``mmssl splits``."""
    parser = arguments.Parser('splits', 'Evaluate on several splits and average the figures.')
    parser.add('config', help='config whose lists have split1, fold0 or such in their names')
    parser.add(
        'checkpoint',
        help='encoder to evaluate; with --train, to begin with; the word random for an untrained '
        'one, scratch (with --train) for none',
    )
    parser.add('--data', '--flow')
    parser.add_argument(
        '--splits',
        nargs='+',
        type=arguments.whole(0),
        default=[1, 2, 3],
        metavar='N',
        help='digits to put in turn after split or fold',
    )
    parser.add_argument(
        '--train',
        action='store_true',
        help='train on each split first, for configs of mmssl train',
    )
    parser.add('--encoder-config', '--calibrate-bn', '--no-baselines')
    parser.add(
        '--work-dir',
        help='where results go, and the runs of --train (default: work_dirs/<name of the config>)',
    )
    parser.add('--out')
    parser.add(
        '--seed',
        help='seed of random weights, of the splits of the training set, and of training',
    )
    parser.add('--device', '--cfg-options')
    parser.add_launcher()
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Evaluate as the command line says: prints the figures, appends them to a JSON file."""
    args = parser().parse(argv)
    cfg = load_config(args.config, args.cfg_options, args.data, args.flow)
    cfg.work_dir = args.work_dir or cfg.work_dir
    cfgs = {split: with_split(cfg, split) for split in dict.fromkeys(args.splits)}
    check_work_dir(cfg.work_dir)
    out = args.out or str(Path(cfg.work_dir) / 'results.json')
    read_results(out)
    check_work_dir(Path(out).parent, 'the folder', '--out')
    if args.train:
        unused = [
            name
            for name, value in (
                ('--encoder-config', args.encoder_config),
                ('--device', args.device),
                ('--calibrate-bn', args.calibrate_bn),
                ('--launcher', args.launcher != 'none'),
            )
            if value
        ]
        if unused or cfg.get('evaluation') is not None:
            raise ValueError(
                f'{", ".join(unused)} cannot be used with --train'
                if unused
                else f'{args.config} trains nothing: leave --train out'
            )
        records = train_splits(
            cfgs, args.checkpoint, seed=args.seed, baselines=not args.no_baselines, out=out
        )
        print(f'\n{format_splits(records)}\n\nresults are in {out}')
        return
    with process_group(args.launcher):
        records = evaluate_splits(
            cfgs,
            args.checkpoint,
            out=out,
            encoder_config=args.encoder_config,
            seed=args.seed,
            device=args.device,
            calibrate_bn=args.calibrate_bn,
            baselines=False if args.no_baselines else None,
        )
        if is_main_process():
            print(f'\n{format_splits(records)}\n\nresults are in {out}')
