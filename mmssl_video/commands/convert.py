"""A checkpoint of a paper's authors as one of ours: ``mmssl convert SRC DST --from ORIGIN``."""

from __future__ import annotations

from collections.abc import Sequence

from ..checkpoints.official import ORIGINS, TARGETS, convert_file
from . import arguments


def parser() -> arguments.Parser:
    """Arguments of ``mmssl convert``."""
    parser = arguments.Parser(
        'convert',
        'Convert a checkpoint of the DPC, MemDPC or FGKVMemPred authors into one of ours.',
    )
    parser.add_argument('source', metavar='SRC', help="the authors' .pth.tar or .pyth file")
    parser.add_argument('destination', metavar='DST', help='the .pth file to write')
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
        type=arguments.whole(1),
        default=8,
        metavar='N',
        help='blocks of a clip, of DPC and MemDPC',
    )
    parser.add_argument(
        '--pred-steps',
        type=arguments.whole(1),
        default=3,
        metavar='N',
        help='predicted blocks of a pre-training model, which the file does not tell',
    )
    parser.add_argument(
        '--size',
        type=arguments.whole(16),
        metavar='PIXELS',
        help="side of the frames it was trained on (default: 128; FGKVMemPred's files tell it)",
    )
    parser.add_argument(
        '--stem-pool',
        choices=['yes', 'no'],
        help="whether the stem of FGKVMemPred's Slow-R18 ends with a max-pool, where the file does "
        'not tell (yes: Kinetics and downstream; no: pre-training on UCF101)',
    )
    parser.add_argument('--force', action='store_true', help='overwrite an existing file')
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Convert as the command line says."""
    args = parser().parse(argv)
    conversion = convert_file(
        args.source,
        args.destination,
        args.origin,
        args.target,
        args.num_blocks,
        args.pred_steps,
        args.force,
        args.size,
        None if args.stem_pool is None else args.stem_pool == 'yes',
    )
    print(conversion)
    backbone, neck = conversion.model['backbone'], conversion.model.get('neck')
    parts = f'{conversion.target} with {backbone["type"]}-{backbone["depth"]}'
    if 'kind' in backbone:
        parts += f' ({backbone["kind"]})'
    if neck:
        direction = 'bidirectional ' if neck['bidirectional'] else ''
        parts += f' and a {neck["num_layers"]}-layer {direction}ConvGRU'
    print(f'wrote {args.destination}: {parts}')
