"""SSTL's Figures 1 and 2 of any encoders: ``mmssl similarity CHECKPOINT ... --videos LIST``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..apis.clip_similarity import STRENGTHS, analyse_similarity
from ..apis.encoder import build_encoder
from ..results.work_dir import check_picture
from . import arguments


def parser() -> arguments.Parser:
    """Arguments of ``mmssl similarity``."""
    parser = arguments.Parser(
        'similarity',
        'Draw how alike clips look to encoders: against their distance in time, within and across '
        'videos, and under temporal augmentation of growing strength (SSTL, Figures 1 and 2).',
    )
    parser.add(
        'checkpoints',
        help='checkpoint, or the word random for the untrained encoder of --encoder-config',
    )
    parser.add('--videos', '--root')
    parser.add_argument(
        '--out',
        default='similarity.png',
        metavar='PNG',
        help='the .png file to write; the figures go beside it as .json',
    )
    parser.add('--encoder-config')
    parser.add_argument(
        '--num-clips',
        type=arguments.whole(2),
        default=10,
        metavar='K',
        help='clips of a video, at equal distances; 40 in the paper',
    )
    parser.add_argument(
        '--strengths',
        type=arguments.whole(0),
        nargs='+',
        default=list(STRENGTHS),
        metavar='E',
        help='extra frames that augmentation may drop',
    )
    parser.add_argument(
        '--max-videos',
        type=arguments.whole(2),
        metavar='N',
        help='use the first N videos of a random order only',
    )
    parser.add('--seed', help='seed of all draws, and of random weights')
    parser.add('--device')
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Analyse as the command line says."""
    args = parser().parse(argv)
    check_picture(Path(args.out))
    encoders = [
        build_encoder(path, args.encoder_config, args.seed, args.device)
        for path in args.checkpoints
    ]
    root = str(Path(args.videos).parent) if args.root is None else args.root
    analyse_similarity(
        encoders,
        args.videos,
        root,
        args.out,
        num_clips=args.num_clips,
        strengths=args.strengths,
        max_videos=args.max_videos,
        seed=args.seed,
    )
    print(f'the figure is {args.out}')
