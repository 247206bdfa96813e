"""Pictures of what a memory learnt: ``mmssl memory CHECKPOINT --videos LIST --out PNG``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..apis.memory_pictures import picture_memory
from ..results.work_dir import check_picture
from . import arguments


def parser() -> arguments.Parser:
    """Arguments of ``mmssl memory``."""
    parser = arguments.Parser(
        'memory',
        'Draw which classes the memory slots of a pre-trained model stand for, the clips that its '
        'concepts (or slots) answer to most, and how alike its two encoders are; for several '
        'checkpoints also t-SNE of the slot probabilities.',
    )
    parser.add(
        'checkpoints', help='checkpoint of a pre-training run; of several, the last is drawn'
    )
    parser.add('--videos', '--root')
    parser.add_argument(
        '--classes',
        nargs='+',
        metavar='CLASS',
        help='classes to show: names of their folders or labels (default: the first 8)',
    )
    parser.add_argument('--out', required=True, metavar='PNG', help='the .png file to write')
    parser.add_argument(
        '--num-windows',
        type=arguments.whole(2),
        default=4,
        metavar='N',
        help='windows per video, at equal distances',
    )
    parser.add_argument(
        '--top',
        type=arguments.whole(1),
        default=6,
        metavar='N',
        help='concepts or slots, and clips of each, to show',
    )
    parser.add('--num-workers', '--device')
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Draw as the command line says."""
    args = parser().parse(argv)
    out = Path(args.out)
    check_picture(out)
    facts = picture_memory(
        args.checkpoints,
        args.videos,
        out,
        classes=args.classes,
        root=args.root,
        num_windows=args.num_windows,
        top=args.top,
        num_workers=args.num_workers,
        device=args.device,
    )
    for name, value in facts.items():
        print(f'{name}: {value}')
    print(f'{out} is written')
