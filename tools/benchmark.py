"""Ratios that matter here, each measured side by side in one run.

    python tools/benchmark.py                      # all sections
    python tools/benchmark.py augment --repeats 9  # some
    python tools/benchmark.py pipeline --videos DIR --json out.json
    python tools/benchmark.py probe --checkpoint work_dirs/quickstart/pretrain/epoch_20.pth

Seconds differ between machines and between runs, so every section runs its candidates in turns and
prints, beside their medians and ranges, the ratio to the section's reference of the same round. A
section is one function decorated with ``@section``; it yields ``Result`` tables.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Callable

import mmssl_video  # noqa: F401  isort: skip  (before torch: see compat.let_idle_threads_sleep)
import cv2
import numpy as np
import torch
import torch.nn.functional as F
from mmaction.registry import DATASETS, MODELS, TRANSFORMS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from PIL import Image, ImageEnhance
from torch.utils.data import DataLoader

from mmssl_video.apis.train import last_checkpoint
from mmssl_video.apis.views import pipeline_of
from mmssl_video.datasets import scan_video_folder
from mmssl_video.datasets.demo_videos import make_demo_videos
from mmssl_video.models.losses import DenseInfoNCELoss

SECTIONS: dict[str, Callable[[argparse.Namespace], Iterator[Result]]] = {}


@dataclass
class Result:
    """Measurements of some candidates for the same work.

    Attributes:
        title: what was done, with sizes.
        values: candidate -> one value for each round; the first candidate is the reference.
        unit: unit of the values, ``'ms'``, ``'s'``, ``'MB'``, ``'clips/s'``…
        want: what the ratio to the reference should be, in words; '' when nothing is asked.
    """

    title: str
    values: dict[str, list[float]]
    unit: str
    want: str = ''

    def ratios(self, name: str) -> list[float]:
        reference = next(iter(self.values.values()))
        return [value / base for value, base in zip(self.values[name], reference)]

    def table(self) -> str:
        lines = [self.title]
        width = max(map(len, self.values))
        lines.append(
            f'  {"":{width}}  {self.unit + ", median (min-max)":>28}  '
            f'{"times the first (min-max)":>26}'
        )
        for name, values in self.values.items():
            lines.append(f'  {name:{width}}  {spread(values):>28}  {spread(self.ratios(name)):>26}')
        if self.want:
            lines.append(f'  wanted: {self.want}')
        return '\n'.join(lines)

    def to_json(self) -> dict:
        return dict(
            title=self.title,
            unit=self.unit,
            want=self.want,
            candidates={
                name: dict(
                    values=values,
                    median=statistics.median(values),
                    ratio=statistics.median(self.ratios(name)),
                )
                for name, values in self.values.items()
            },
        )


def spread(values: list[float]) -> str:
    return f'{statistics.median(values):.3g} ({min(values):.3g}-{max(values):.3g})'


def section(function):
    """Register a section under its function's name."""
    SECTIONS[function.__name__] = function
    return function


def in_turns(
    candidates: dict[str, Callable[[], object]],
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Seconds of each candidate, once a round in turns, after one call each that does not count.

    ``clock=time.thread_time`` (CPU time) for work in one thread: a busy machine disturbs it less.
    """
    for function in candidates.values():
        function()
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, function in candidates.items():
            start = clock()
            function()
            seconds[name].append(clock() - start)
    return seconds


# -- sections -----------------------------------------------------------------------------------
def pil_jitter(imgs: list[np.ndarray]) -> list[np.ndarray]:
    """What ``VideoColorJitter`` does, the usual way: frame by frame with PIL."""
    out = []
    for img in imgs:
        image = Image.fromarray(img)
        for name in np.random.permutation(['Brightness', 'Contrast', 'Color', 'Hue']):
            if name == 'Hue':
                h, s, v = image.convert('HSV').split()
                shift = np.uint8(int(np.random.uniform(-0.25, 0.25) * 255) % 256)
                h = Image.fromarray(np.asarray(h) + shift)
                image = Image.merge('HSV', (h, s, v)).convert('RGB')
            else:
                image = getattr(ImageEnhance, name)(image).enhance(np.random.uniform(0.5, 1.5))
        out.append(np.asarray(image))
    return out


@section
def augment(args: argparse.Namespace) -> Iterator[Result]:
    """Colour jitter of one 40-frame clip, per frame, one thread."""
    jitter = TRANSFORMS.build(dict(type='VideoColorJitter'))
    rng = np.random.default_rng(0)
    for size in (128, 224):
        imgs = []
        for _ in range(40):
            img = cv2.resize(rng.random((8, 8, 3)), (size, size), interpolation=cv2.INTER_CUBIC)
            imgs.append(np.uint8(np.clip(255 * img, 0, 255)))
        seconds = in_turns(
            {
                'VideoColorJitter': lambda imgs=imgs: jitter(dict(imgs=imgs)),
                'PIL, frame by frame': lambda imgs=imgs: pil_jitter(imgs),
            },
            args.repeats,
            time.thread_time,
        )
        yield Result(
            f'Colour jitter of 40 frames of {size}x{size}, CPU time',
            {name: [1000 * s for s in values] for name, values in seconds.items()},
            'ms',
            'PIL at least 4 times VideoColorJitter',
        )


@section
def pipeline(args: argparse.Namespace) -> Iterator[Result]:
    """Clips per second of a config's training pipeline, on one worker, and of decoding alone."""
    config = Config.fromfile(args.config)
    steps = [dict(step) for step in pipeline_of(config.train_dataloader)]
    names = [step['type'] for step in steps]
    if 'DecodeFrames' not in names:
        raise ValueError(f'{args.config} has no train_dataloader with DecodeFrames.')
    with tempfile.TemporaryDirectory() as folder:
        videos = Path(args.videos or Path(folder, 'videos'))
        if args.videos is None:
            # the size of the usual benchmarks' files after resizing, H.264
            make_demo_videos(folder, classes=4, per_class=6, size=(256, 340), test_share=0)
        entries = scan_video_folder(videos)[0][: args.clips]
        list_file = Path(folder, 'list.txt')
        list_file.write_text(''.join(f'{name} -1\n' for name, _ in entries))

        def dataset(pipeline_steps):
            return DATASETS.build(
                dict(
                    type='VideoListDataset',
                    ann_file=str(list_file),
                    pipeline=pipeline_steps,
                    data_prefix=dict(video=str(videos)),
                    on_error='raise',
                )
            )

        decoding = dataset(steps[: names.index('DecodeFrames') + 1])
        whole = dataset(steps)
        loader = DataLoader(
            whole,
            batch_size=4,
            num_workers=1,
            persistent_workers=True,
            collate_fn=pseudo_collate,
            worker_init_fn=one_thread,
        )
        seconds = in_turns(
            {
                'decoding alone': lambda: [decoding[i] for i in range(len(entries))],
                'whole pipeline': lambda: [whole[i] for i in range(len(entries))],
                'whole pipeline, DataLoader with 1 worker': lambda: list(loader),
            },
            args.repeats,
        )
        frame = decoding[0]['imgs'][0].shape
    window = next(step for step in steps if step['type'] == 'SampleWindow')
    yield Result(
        f'Training pipeline of {Path(args.config).name}: clips of {window["num_frames"]} '
        f'frames at stride {window["stride"]} of {len(entries)} videos, the first '
        f'{frame[1]}x{frame[0]}, one thread',
        {name: [len(entries) / s for s in values] for name, values in seconds.items()},
        'clips/s',
    )


@section
def loss(args: argparse.Namespace) -> Iterator[Result]:
    """Dense contrastive loss, chunked and as one matrix: time and peak memory."""
    torch.set_num_threads(os.cpu_count() or 1)
    generator = torch.Generator().manual_seed(0)
    pred, target = (
        (torch.randn(64, 3, 256, 7, 7, generator=generator) / 8).requires_grad_() for _ in range(2)
    )
    chunked = DenseInfoNCELoss()

    def one_matrix():
        rows, columns = (x.permute(0, 1, 3, 4, 2).reshape(-1, 256) for x in (pred, target))
        F.cross_entropy(rows @ columns.T, torch.arange(len(rows))).backward()

    candidates = {'one matrix': one_matrix, 'chunked': lambda: chunked(pred, target)[0].backward()}
    title = 'Loss of 9,408 vectors of 256 (64 videos, 3 steps, 7 x 7), forward and backward'
    yield Result(
        f'{title}: time',
        in_turns(candidates, args.repeats),
        's',
        'chunked at most 1.2 times the matrix (it counts top-k and negatives as well)',
    )
    if not Path('/proc/self/clear_refs').exists():
        return
    peaks = {
        name: [peak_memory(function) for _ in range(min(args.repeats, 3))]
        for name, function in candidates.items()
    }
    yield Result(f'{title}: peak extra memory', peaks, 'MB', 'chunked at most a quarter')
    one_thread()


def peak_memory(function: Callable[[], object]) -> float:
    """Peak of the resident memory during a call above that before it, in MB (Linux)."""

    def status(key):
        line = next(
            line
            for line in Path('/proc/self/status').read_text().splitlines()
            if line.startswith(key)
        )
        return int(line.split()[1]) / 1024

    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # memory freed before must not serve this call unseen
    Path('/proc/self/clear_refs').write_text('5')  # resets the peak
    before = status('VmRSS')
    function()
    return status('VmHWM') - before


@section
def step(args: argparse.Namespace) -> Iterator[Result]:
    """Training step of bidirectional MemDPC (R-18, 1024 slots): memory formats and kernels."""
    torch.set_num_threads(os.cpu_count() or 1)
    model = MODELS.build(Config.fromfile(args.config).model)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    spatial = [
        module
        for module in model.modules()
        if getattr(module, 'is_spatial', False) and not module.is_pointwise
    ]

    def train(clips):
        optimizer.zero_grad()
        model.parse_losses(model.loss(clips))[0].backward()
        optimizer.step()

    def with_3d_kernels(clips, memory_format):
        contiguous = torch.Tensor.contiguous
        for module in spatial:
            module.is_spatial = False
        torch.Tensor.contiguous = lambda x, **_: contiguous(x, memory_format=memory_format)
        try:
            train(clips)
        finally:
            torch.Tensor.contiguous = contiguous
            for module in spatial:
                module.is_spatial = True

    for size in (64, 128):
        clips = torch.randn(4, 8, 3, 5, size, size)
        seconds = in_turns(
            {
                'plain conv3d': partial(with_3d_kernels, clips, torch.contiguous_format),
                'channels_last_3d': partial(with_3d_kernels, clips, torch.channels_last_3d),
                'channels_last_3d, 2D kernels (used)': partial(train, clips),
            },
            args.repeats,
        )
        yield Result(
            f'Training step, batch 4, 8 x 5 frames of {size} x {size}, '
            f'{torch.get_num_threads()} threads',
            {name: [s / 4 for s in values] for name, values in seconds.items()},
            's per clip',
        )
    one_thread()


@section
def probe(args: argparse.Namespace) -> Iterator[Result]:
    """Linear probe of --checkpoint on 128 + 64 demo videos, cached and online; one round."""
    if args.checkpoint is None:
        print('\n[probe] left out: it needs an encoder for demo videos, --checkpoint', flush=True)
        return
    checkpoint = str(Path(args.checkpoint).resolve(strict=True))
    # linear.py trains a grid of SGD heads as well.
    cached_only = 'evaluation.protocol=[dict(type="linear/cached",folds=5,validations=5)]'
    tools, online = Path(__file__).resolve().parent, 'linear_online_memdpc'
    with tempfile.TemporaryDirectory() as folder:
        make_demo_videos(Path(folder, 'data/demo'), per_class=24, test_share=1 / 3, size=(72, 96))

        def tool(*arguments):
            subprocess.run(
                [sys.executable, str(tools / arguments[0]), *arguments[1:]],
                cwd=folder,
                check=True,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )

        def train_and_test():
            tool(
                'train.py',
                online,
                '--data',
                'demo',
                '--pretrained',
                checkpoint,
                '--work-dir',
                'online',
            )
            tool(
                'test.py',
                online,
                '--data',
                'demo',
                last_checkpoint(Path(folder, 'online')),
                '--no-baselines',
                '--out',
                'online.json',
            )

        seconds: dict[str, dict[str, list[float]]] = dict(wall={}, CPU={})
        for name, function in {
            'linear/cached': lambda: tool(
                'test.py',
                'linear',
                '--data',
                'demo',
                checkpoint,
                '--no-baselines',
                '--out',
                'cached.json',
                '--cfg-options',
                cached_only,
            ),
            'linear/online': train_and_test,
            'start of a command': lambda: tool('test.py', '--help'),
        }.items():
            starts = time.perf_counter(), cpu_of_children()
            function()
            seconds['wall'][name] = [time.perf_counter() - starts[0]]
            seconds['CPU'][name] = [cpu_of_children() - starts[1]]
        top1 = ' and '.join(
            '{value:.1f}% ({low:.1f}-{high:.1f})'.format(
                **json.loads(Path(folder, f'{name}.json').read_text())[-1]['metrics']['top1']
            )
            for name in ('cached', 'online')
        )
    for kind, values in seconds.items():
        yield Result(
            f'Linear probe, commands from start to end, {kind} time; top-1 {top1}, '
            'cached and online',
            values,
            's',
            'online at least 10 times cached, top-1 within 2 points (95% intervals in brackets)',
        )


def cpu_of_children() -> float:
    """CPU seconds of all processes that were started from here and have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def one_thread(worker_id: int = 0) -> None:
    """As a training worker: no threads inside OpenCV and torch."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


# -- command ------------------------------------------------------------------------------------
def parse_args() -> argparse.Namespace:
    root = Path(__file__).resolve().parents[1]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'sections',
        nargs='*',
        metavar='SECTION',
        help='; '.join(
            f'{name}: {(function.__doc__ or "").splitlines()[0]}'
            for name, function in SECTIONS.items()
        ),
    )
    parser.add_argument('--repeats', type=int, default=7, help='rounds of each comparison (7)')
    parser.add_argument(
        '--config',
        default=str(root / 'configs/memdpc_ucf101.py'),
        help='config whose training pipeline is measured (memdpc_ucf101)',
    )
    parser.add_argument(
        '--videos',
        metavar='DIR',
        help='folder of videos for the pipeline; made in a temporary folder if not given',
    )
    parser.add_argument(
        '--checkpoint',
        metavar='CKPT',
        help='encoder of the section probe, which is left out without one',
    )
    parser.add_argument('--clips', type=int, default=24, help='most videos used in a round (24)')
    parser.add_argument('--json', metavar='FILE', help='write the figures there as well')
    args = parser.parse_args()
    unknown = sorted(set(args.sections) - set(SECTIONS))
    if unknown:
        parser.error(f'no section {", ".join(unknown)}; there are {", ".join(SECTIONS)}')
    if args.repeats < 1 or args.clips < 1:
        parser.error('--repeats and --clips must be at least 1')
    return args


def main() -> int:
    args = parse_args()
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
    found: dict[str, list[dict]] = {}
    for name in args.sections or SECTIONS:
        for result in SECTIONS[name](args):
            print(f'\n[{name}] {result.table()}', flush=True)
            found.setdefault(name, []).append(result.to_json())
    if args.json:
        Path(args.json).write_text(json.dumps(dict(about=about, sections=found), indent=2) + '\n')
    return 0


def processor() -> str:
    """Model name of the processor, as far as the system tells."""
    cpuinfo = Path('/proc/cpuinfo')
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith('model name'):
                return line.split(':', 1)[1].strip()
    return platform.processor() or 'unknown'


if __name__ == '__main__':
    sys.exit(main())
