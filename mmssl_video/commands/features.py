"""Features of videos: ``mmssl features CHECKPOINT VIDEOS --out FILE.npz``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmengine.dist import is_main_process

from ..apis import build_encoder, extract_features
from ..engine.distributed import process_group
from ..evaluation.registry import FEATURES
from ..results.work_dir import check_work_dir
from . import arguments


def parser() -> arguments.Parser:
    """Arguments of ``mmssl features``."""
    parser = arguments.Parser(
        'features',
        'Write the features of videos, with names, windows and protocol, to an .npz file.',
    )
    parser.add('checkpoint')
    parser.add_argument(
        'videos',
        metavar='VIDEOS',
        help='folder (any depth), list file (`path [label]` a line) or video file',
    )
    parser.add('--root')
    parser.add_argument('--out', required=True, metavar='NPZ', help='the .npz file to write')
    parser.add('--encoder-config')
    parser.add_argument(
        '--num-windows',
        type=arguments.whole(1),
        metavar='N',
        help='windows per video, at equal distances (default: windows slide over the whole video, '
        'half overlapping)',
    )
    parser.add_argument(
        '--max-windows',
        type=arguments.whole(1),
        metavar='N',
        help='at most so many of the sliding windows, spread over the video: bounds memory for '
        'long videos',
    )
    parser.add_argument(
        '--feature',
        choices=FEATURES,
        default='context',
        help="what is pooled: the context, the backbone's maps, those of the middle block, or "
        'what the projection head makes of them',
    )
    parser.add_argument(
        '--clips',
        choices=['mean', 'each'],
        default='mean',
        help='one feature a video, the mean over its windows, or one a window',
    )
    parser.add_argument(
        '--batch-size',
        type=arguments.whole(1),
        default=8,
        metavar='N',
        help='videos read at a time',
    )
    parser.add_argument(
        '--on-error',
        choices=['skip', 'raise'],
        default='skip',
        help='leave unreadable videos out and name them, or stop at the first',
    )
    parser.add('--num-workers', '--seed', '--device')
    parser.add_launcher()
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Extract features as the command line says."""
    args = parser().parse(argv)
    out = Path(args.out)
    if out.is_dir():
        raise ValueError(f'--out {out} is a directory: name a file, such as {out / "feats.npz"}')
    check_work_dir(out.parent, 'the folder', '--out')  # before the long work
    with process_group(args.launcher):
        encoder = build_encoder(args.checkpoint, args.encoder_config, args.seed, args.device)
        sampling = {} if args.max_windows is None else dict(max_windows=args.max_windows)
        features = extract_features(
            encoder,
            args.videos,
            num_windows=args.num_windows,
            batch_size=args.batch_size,
            num_workers=args.num_workers,
            on_error=args.on_error,
            root=args.root,
            feature=args.feature,
            clips=args.clips,
            **sampling,
        )
        if is_main_process():
            features.save(out)
            print(
                f'{out}: {len(features.features)} features of {features.features.shape[1]} '
                f'dimensions ({features.protocol["views"]}); {len(features.unreadable)} videos '
                'left out'
            )
