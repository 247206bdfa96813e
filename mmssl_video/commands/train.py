"""Training from a config: ``mmssl train CONFIG``."""

from __future__ import annotations

import os
from collections.abc import Sequence

from mmengine.config import ConfigDict

from ..apis.training import train
from ..settings.load import load_config, use_amp, use_auto_scale_lr
from . import arguments


def parser() -> arguments.Parser:
    """Arguments of ``mmssl train``."""
    parser = arguments.Parser(
        'train', 'Train a network from a config: pre-training, fine-tuning or a probe online.'
    )
    parser.add('config', '--data', '--flow', '--work-dir')
    parser.add_argument(
        '--pretrained',
        metavar='CHECKPOINT',
        help="begin with the encoder of this checkpoint (the config's load_from); the word random "
        'for an encoder as initialised',
    )
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='auto|CHECKPOINT',
        help='go on from a checkpoint; auto (also without a value): from the last one in the work '
        'dir, or from the start if there is none',
    )
    parser.add_argument(
        '--amp', action='store_true', help='mixed precision: float16 on a GPU, bfloat16 on the CPU'
    )
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help="scale the learning rate to the batch size (the config's auto_scale_lr)",
    )
    parser.add('--seed', default=None, help='seed of the run (default: that of the config)')
    parser.add_argument(
        '--deterministic', action='store_true', help='use deterministic algorithms, slower'
    )
    parser.add('--cfg-options')
    parser.add_launcher()
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Train as the command line says."""
    args = parser().parse(argv)
    cfg = load_config(args.config, args.cfg_options, args.data, args.flow)
    if args.work_dir:
        cfg.work_dir = args.work_dir
    if args.pretrained:
        cfg.load_from = args.pretrained
    if args.seed is not None:
        cfg.setdefault('randomness', ConfigDict()).seed = args.seed
    if args.deterministic:
        cfg.setdefault('randomness', ConfigDict()).deterministic = True
        os.environ.setdefault('CUBLAS_WORKSPACE_CONFIG', ':4096:8')  # else cuBLAS refuses
    if args.amp:
        use_amp(cfg)
    if args.auto_scale_lr:
        use_auto_scale_lr(cfg)
    train(cfg, resume=args.resume, launcher=args.launcher, options=args.cfg_options)
