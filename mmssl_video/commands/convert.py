"""Convert a checkpoint of the DPC, MemDPC or FGKVMemPred authors into one of ours.

python tools/convert_checkpoint.py SRC DST --from dpc|memdpc|fgkvmempred
                                   [--to encoder|full|classifier]
"""

from __future__ import annotations

import argparse
import sys

import mmssl_video  # noqa: F401  (must come before any mmaction import)
from mmssl_video.apis.cli import whole
from mmssl_video.checkpoints.official import ORIGINS, TARGETS, convert_file


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Convert a checkpoint of the DPC, MemDPC or FGKVMemPred authors into one of '
        'ours.'
    )
    parser.add_argument('source', help="the authors' .pth.tar or .pyth file")
    parser.add_argument('destination', help='the .pth file to write')
    parser.add_argument(
        '--from', dest='origin', required=True, choices=ORIGINS, help='whose format it is'
    )
    parser.add_argument(
        '--to',
        dest='target',
        choices=TARGETS,
        help='encoder: backbone and neck; full: a pre-training model; classifier: a fine-tuned or '
        'probed one (default: all that the file holds)',
    )
    parser.add_argument(
        '--num-blocks',
        type=whole(1),
        default=8,
        help='blocks of a clip, of DPC and MemDPC (default: 8)',
    )
    parser.add_argument(
        '--pred-steps',
        type=whole(1),
        default=3,
        help='predicted blocks of a pre-training model, which the file does not tell (default: 3)',
    )
    parser.add_argument(
        '--size',
        type=whole(16),
        help="side of the frames it was trained on, in pixels (default: 128; FGKVMemPred's files "
        'tell it)',
    )
    parser.add_argument('--force', action='store_true', help='overwrite an existing file')
    return parser.parse_args()


def main() -> int:
    args = parse_args()
    try:
        conversion = convert_file(
            args.source,
            args.destination,
            args.origin,
            args.target,
            args.num_blocks,
            args.pred_steps,
            args.force,
            args.size,
        )
    except (OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    print(conversion)
    backbone, neck = conversion.model['backbone'], conversion.model.get('neck')
    parts = f'{conversion.target} with {backbone["type"]}-{backbone["depth"]}'
    if 'kind' in backbone:
        parts += f' ({backbone["kind"]})'
    if neck:
        direction = 'bidirectional ' if neck['bidirectional'] else ''
        parts += f' and a {neck["num_layers"]}-layer {direction}ConvGRU'
    print(f'wrote {args.destination}: {parts}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
