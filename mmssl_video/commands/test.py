"""Testing from a config: ``mmssl test CONFIG CHECKPOINT``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmengine.dist import is_main_process

from ..apis.testing import test
from ..engine.distributed import process_group
from ..results.records import read_results
from ..results.table import format_records
from ..results.work_dir import check_work_dir
from ..settings.kinds import check_taken, kind_of
from ..settings.load import load_config
from . import arguments


def parser() -> arguments.Parser:
    """Arguments of ``mmssl test``."""
    parser = arguments.Parser(
        'test',
        'Evaluate a checkpoint as a config says: by probes and retrieval, by surprise, or in the '
        "loop of a network that was trained for a task. Of a pre-training config the network's own "
        'task is tested, on held-out videos.',
    )
    parser.add('config', 'checkpoint', '--data', '--flow')
    parser.add('--encoder-config', '--calibrate-bn', '--work-dir', '--out')
    parser.add('--seed', help='seed of random weights and of the splits of the training set')
    parser.add('--device')
    parser.add_argument(
        '--dump',
        metavar='NPZ',
        help='write class probabilities, or features of a retrieval, to this file (for mmssl fuse)',
    )
    parser.add('--no-baselines')
    parser.add('--cfg-options', help='change settings of the config, as in evaluation.dataset=mine')
    parser.add_launcher()
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Test as the command line says: prints the results, appends them to a JSON file."""
    args = parser().parse(argv)
    cfg = load_config(args.config, args.cfg_options, args.data, args.flow)
    cfg.work_dir = args.work_dir or cfg.work_dir
    check_work_dir(cfg.work_dir)
    out = args.out or str(Path(cfg.work_dir) / 'results.json')
    read_results(out)  # an unusable results file must not cost a whole run
    check_work_dir(Path(out).parent, 'the folder', '--out')
    if args.dump:
        check_work_dir(Path(args.dump).parent, 'the folder', '--dump')
    given = {
        '--encoder-config': args.encoder_config,
        '--calibrate-bn': args.calibrate_bn,
        '--device': args.device,
        '--dump': args.dump,
        '--no-baselines': args.no_baselines,
    }
    check_taken(cfg, [option for option, value in given.items() if value])
    # mmengine's Runner starts its processes itself
    with process_group('none' if kind_of(cfg).is_loop else args.launcher):
        records = test(
            cfg,
            args.checkpoint,
            seed=args.seed,
            launcher=args.launcher,
            options=args.cfg_options,
            out=out,
            encoder_config=args.encoder_config,
            device=args.device,
            calibrate_bn=args.calibrate_bn,
            dump=args.dump,
            baselines=False if args.no_baselines else None,
        )
        if is_main_process():
            print(f'\n{format_records(records)}\n\nresults are in {out}')
