"""Ratios of speed and memory, measured side by side: ``mmssl benchmark``."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from ..atomic_files import write_atomic
from ..benchmark.measure import Options, one_thread, processor
from ..benchmark.sections import SECTIONS
from ..results.records import to_json
from . import arguments


def parser() -> arguments.Parser:
    """Arguments of ``mmssl benchmark``."""
    parser = arguments.Parser(
        'benchmark',
        'Measure the ratios that matter here, each side by side in one run. Seconds differ between '
        'machines and between runs, so every section runs its candidates in turns and prints, '
        "beside their medians and ranges, the ratio to the section's reference of the same round.",
    )
    parser.add_argument(
        'sections',
        nargs='*',
        metavar='SECTION',
        help='what to measure (default: everything). '
        + ' '.join(
            f'{name}: {(function.__doc__ or "").splitlines()[0]}'
            for name, function in SECTIONS.items()
        ),
    )
    parser.add_argument(
        '--repeats',
        type=arguments.whole(1),
        default=Options.repeats,
        metavar='N',
        help='rounds of each comparison',
    )
    parser.add_argument(
        '--config',
        default=Options.config,
        metavar='CONFIG',
        help='config whose training pipeline and model are measured',
    )
    parser.add(
        '--videos',
        required=False,
        metavar='DIR',
        help='folder of videos for the pipeline; made in a temporary folder if not given',
    )
    parser.add_argument(
        '--checkpoint',
        metavar='CHECKPOINT',
        help='encoder of the section probe, which is left out without one',
    )
    parser.add_argument(
        '--clips',
        type=arguments.whole(1),
        default=Options.clips,
        metavar='N',
        help='most videos used in a round',
    )
    parser.add_argument('--json', metavar='FILE', help='write the figures there as well')
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Measure as the command line says."""
    args = parser().parse(argv)
    unknown = sorted(set(args.sections) - set(SECTIONS))
    if unknown:
        raise ValueError(
            f'there is no section {", ".join(unknown)}; there are {", ".join(SECTIONS)}'
        )
    options = Options(args.repeats, args.config, args.videos, args.checkpoint, args.clips)
    one_thread()
    about = dict(
        python=platform.python_version(),
        torch=torch.__version__,
        numpy=np.__version__,
        opencv=cv2.__version__,
        machine=platform.machine(),
        processor=processor(),
    )
    print('  '.join(f'{name} {value}' for name, value in about.items()), flush=True)
    sections: dict[str, list[dict]] = {}
    for name in args.sections or SECTIONS:
        for result in SECTIONS[name](options):
            print(f'\n[{name}] {result.table()}', flush=True)
            sections.setdefault(name, []).append(result.to_json())
    if args.json:
        text = to_json(dict(about=about, sections=sections)) + '\n'
        write_atomic(text.encode(), Path(args.json))
