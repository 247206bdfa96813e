"""What is measured. A section is one function under ``@section``; it yields tables of results."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Callable
from unittest import mock

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from mmaction.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from PIL import Image, ImageEnhance
from torch.utils.data import DataLoader

from ..datasets import scan_video_folder
from ..datasets.demo_videos import make_demo_videos
from ..datasets.pipelines import build_steps, training_pipeline
from ..datasets.transforms.color import VideoColorJitter
from ..datasets.transforms.video_io import DecodeFrames
from ..datasets.views import view_of
from ..models.losses import DenseInfoNCELoss
from ..settings.names import find_config
from ..settings.start import last_checkpoint
from .measure import Options, Result, cpu_of_children, in_turns, one_thread, peak_memory

SECTIONS: dict[str, Callable[[Options], Iterator[Result]]] = {}


def section(function):
    """Register a section under its function's name."""
    SECTIONS[function.__name__] = function
    return function


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
def augment(options: Options) -> Iterator[Result]:
    """Colour jitter of one 40-frame clip, per frame, one thread."""
    jitter = VideoColorJitter()
    rng = np.random.default_rng(0)
    for size in (128, 224):
        imgs = []
        for _ in range(40):
            img = cv2.resize(rng.random((8, 8, 3)), (size, size), interpolation=cv2.INTER_CUBIC)
            imgs.append(np.clip(255 * img, 0, 255).astype(np.uint8))
        seconds = in_turns(
            {
                VideoColorJitter.__name__: partial(lambda frames: jitter(dict(imgs=frames)), imgs),
                'PIL, frame by frame': partial(pil_jitter, imgs),
            },
            options.repeats,
            time.thread_time,
        )
        yield Result(
            f'Colour jitter of 40 frames of {size}x{size}, CPU time',
            {name: [1000 * s for s in values] for name, values in seconds.items()},
            'ms',
            'PIL at least 4 times VideoColorJitter',
        )


@section
def pipeline(options: Options) -> Iterator[Result]:
    """Clips per second of a config's training pipeline, on one worker, and of decoding alone."""
    config = Config.fromfile(find_config(options.config))
    view = view_of(config)
    steps = build_steps(training_pipeline(config))
    decoders = [i for i, step in enumerate(steps) if isinstance(step, DecodeFrames)]
    if not decoders:
        raise ValueError(f'{options.config} trains on no pipeline with {DecodeFrames.__name__}')
    with tempfile.TemporaryDirectory() as folder:
        videos = Path(options.videos or Path(folder, 'videos'))
        if options.videos is None:
            # the size of the usual benchmarks' files after resizing, H.264
            make_demo_videos(folder, classes=4, per_class=6, size=(256, 340), test_share=0)
        entries = scan_video_folder(videos)[0][: options.clips]
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

        decoding = dataset(steps[: decoders[0] + 1])
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
            options.repeats,
        )
        frame = decoding[0]['imgs'][0].shape
    yield Result(
        f'Training pipeline of {Path(options.config).name}: clips of {view.num_frames} '
        f'frames at stride {view.stride} of {len(entries)} videos, the first '
        f'{frame[1]}x{frame[0]}, one thread',
        {name: [len(entries) / s for s in values] for name, values in seconds.items()},
        'clips/s',
    )


@section
def loss(options: Options) -> Iterator[Result]:
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
        in_turns(candidates, options.repeats),
        's',
        'chunked at most 1.2 times the matrix (it counts top-k and negatives as well)',
    )
    if not Path('/proc/self/clear_refs').exists():
        return
    peaks = {
        name: [peak_memory(function) for _ in range(min(options.repeats, 3))]
        for name, function in candidates.items()
    }
    yield Result(f'{title}: peak extra memory', peaks, 'MB', 'chunked at most a quarter')
    one_thread()


@section
def step(options: Options) -> Iterator[Result]:
    """Training step of bidirectional MemDPC (R-18, 1024 slots): memory formats and kernels."""
    torch.set_num_threads(os.cpu_count() or 1)
    model = MODELS.build(Config.fromfile(find_config(options.config)).model)
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
        in_format = mock.patch.object(
            torch.Tensor, 'contiguous', lambda x, **_: contiguous(x, memory_format=memory_format)
        )
        try:
            with in_format:
                train(clips)
        finally:
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
            options.repeats,
        )
        yield Result(
            f'Training step, batch 4, 8 x 5 frames of {size} x {size}, '
            f'{torch.get_num_threads()} threads',
            {name: [s / 4 for s in values] for name, values in seconds.items()},
            's per clip',
        )
    one_thread()


@section
def probe(options: Options) -> Iterator[Result]:
    """Linear probe of --checkpoint on 128 + 64 demo videos, cached and online; one round."""
    if options.checkpoint is None:
        print('\n[probe] left out: it needs an encoder for demo videos, --checkpoint', flush=True)
        return
    checkpoint = str(Path(options.checkpoint).resolve(strict=True))
    # linear.py trains a grid of SGD heads as well.
    cached_only = 'evaluation.protocol=[dict(type="linear/cached",folds=5,validations=5)]'
    online, demo = 'linear_online_memdpc', ('--data', 'demo')
    with tempfile.TemporaryDirectory() as folder:
        make_demo_videos(Path(folder, 'data/demo'), per_class=24, test_share=1 / 3, size=(72, 96))

        def tool(*arguments):
            subprocess.run(
                [sys.executable, '-m', 'mmssl_video', *arguments],
                cwd=folder,
                check=True,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )

        def train_and_test():
            tool('train', online, *demo, '--pretrained', checkpoint, '--work-dir', 'online')
            tool(
                'test',
                online,
                *demo,
                last_checkpoint(Path(folder, 'online')),
                '--no-baselines',
                '--out',
                'online.json',
            )

        seconds: dict[str, dict[str, list[float]]] = dict(wall={}, CPU={})
        for name, function in {
            'linear/cached': lambda: tool(
                'test',
                'linear',
                *demo,
                checkpoint,
                '--no-baselines',
                '--out',
                'cached.json',
                '--cfg-options',
                cached_only,
            ),
            'linear/online': train_and_test,
            'start of a command': lambda: tool('test', '--help'),
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
