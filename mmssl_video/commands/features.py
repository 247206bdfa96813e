"""Features of videos: python tools/extract_features.py CHECKPOINT VIDEOS --out feats.npz."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmengine.dist import is_main_process

from mmssl_video import compat
from mmssl_video.apis import build_encoder, cli, extract_features
from mmssl_video.apis.train import check_work_dir
from mmssl_video.evaluation.registry import FEATURES


def parse_args():
    parser = argparse.ArgumentParser(
        description='Write the features of videos, with names, windows and protocol, to an .npz.'
    )
    parser.add_argument(
        'checkpoint',
        help='checkpoint file, or the word random for the untrained encoder of --encoder-config',
    )
    parser.add_argument(
        'videos', help='folder (any depth), list file (`path [label]` a line) or video file'
    )
    parser.add_argument(
        '--root', help='folder that the paths of a list file start from (default: that of the list)'
    )
    parser.add_argument('--out', required=True, help='the .npz file to write')
    parser.add_argument(
        '--encoder-config',
        metavar='CONFIG',
        help='config of the encoder and of its views, instead of that inside the checkpoint',
    )
    parser.add_argument(
        '--num-windows',
        type=cli.whole(1),
        help='windows per video, at equal '
        'distances (default: windows slide over the whole video, half overlapping)',
    )
    parser.add_argument(
        '--max-windows',
        type=cli.whole(1),
        help='at most so many of the sliding '
        'windows, spread over the video: bounds memory for long videos',
    )
    parser.add_argument(
        '--feature',
        choices=FEATURES,
        default='context',
        help='what is pooled: '
        "the context (default), the backbone's maps, those of the middle block, or "
        'what the projection head makes of them',
    )
    parser.add_argument(
        '--clips',
        choices=['mean', 'each'],
        default='mean',
        help='one feature a video, the mean over its windows, or one a window',
    )
    parser.add_argument('--batch-size', type=cli.whole(1), default=8, help='videos read at a time')
    parser.add_argument('--num-workers', type=cli.whole(0), default=2, help='decoding processes')
    parser.add_argument(
        '--on-error',
        choices=['skip', 'raise'],
        default='skip',
        help='leave unreadable videos out and name them, or stop at the first',
    )
    parser.add_argument('--seed', type=cli.seed, default=0, help='of random weights')
    parser.add_argument('--device', help='such as cpu or cuda:1')
    return cli.parse_launched(parser)


def main():
    args = parse_args()
    out = Path(args.out)
    if out.is_dir():
        raise ValueError(f'--out {out} is a directory: name a file, such as {out / "feats.npz"}')
    check_work_dir(out.parent, 'the folder', '--out')  # before the long work
    with compat.process_group(args.launcher):
        encoder = build_encoder(args.checkpoint, args.encoder_config, args.seed, args.device)
        sampling = {} if args.max_windows is None else dict(max_windows=args.max_windows)
        found = extract_features(
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
            found.save(out)
            print(
                f'{out}: {len(found.features)} features of {found.features.shape[1]} dimensions '
                f'({found.protocol["views"]}); {len(found.unreadable)} videos left out'
            )


if __name__ == '__main__':
    cli.run(main)
