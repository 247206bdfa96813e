"""A small labelled set of real videos, a narrow encoder in a checkpoint, and a probe config."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from mmaction.registry import MODELS
from mmengine.config import Config

from .tiny_run import make_config
from .videos import write_video

CONFIG = """
_pipeline = [
    dict(type='VideoInit'),
    dict(type='SampleWindow', num_frames=8, stride=1, mode='sliding', short='loop'),
    dict(type='DecodeFrames'),
    dict(type='Resize', scale=(-1, 32)),
    dict(type='CenterCrop', crop_size=32),
    dict(type='SplitBlocks', num_blocks=4),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]
_data = dict(type='VideoListDataset', data_prefix=dict(video={videos!r}), pipeline=_pipeline)
evaluation = dict(
    dataset='tiny set',
    gallery=dict(batch_size=3, dataset=dict(_data, ann_file={gallery!r})),
    query=dict(batch_size=2, dataset=dict(_data, ann_file={query!r})),
    protocol=[
        dict(type='linear/cached', validations=5, penalties=(1.0, 0.01)),
        dict(type='knn/cosine', k=3),
        dict(type='retrieval/context-mean-cosine', ks=(1, 5)),
        dict(type='retrieval/clip-search', feature='backbone', ks=(1, 5)),
    ])
del _data, _pipeline
"""


@dataclass
class ProbeSet:
    """Where things are: 13 gallery and 7 query videos of 3 classes and 1 to 4 windows."""

    root: Path
    videos: Path
    gallery: Path
    query: Path
    config: Path
    pretraining: Path
    checkpoint: Path


def make_probe_set(root: Path) -> ProbeSet:
    """Write it all below ``root``. Classes differ in how far the picture moves in a frame."""
    pretraining = make_config(root / 'pretraining')
    rng = np.random.default_rng(0)
    lists = {}
    for role, count in (('gallery', 13), ('query', 7)):
        lines = []
        for i in range(count):
            name, label, frames = f'{role} {i}.mp4', i % 3, 8 + 4 * (i % 4)
            texture = rng.integers(0, 256, (48, 64 + 6 * frames, 3), dtype=np.uint8)
            write_video(
                root / 'videos' / name,
                [
                    np.ascontiguousarray(texture[:, 3 * label * t : 3 * label * t + 64])
                    for t in range(frames)
                ],
            )
            lines.append(f'{name} {label}\n')
        lists[role] = root / f'{role}.txt'
        lists[role].write_text(''.join(lines))
    config = root / 'probe.py'
    config.write_text(
        CONFIG.format(
            videos=str(root / 'videos'), gallery=str(lists['gallery']), query=str(lists['query'])
        )
    )
    checkpoint = root / 'encoder.pth'
    save_checkpoint(pretraining, checkpoint)
    return ProbeSet(
        root, root / 'videos', lists['gallery'], lists['query'], config, pretraining, checkpoint
    )


def save_checkpoint(config: Path, path: Path, seed: int = 1, **settings) -> None:
    """Write an untrained model of a config as mmengine does: weights beside the config's text."""
    cfg = Config.fromfile(config)
    cfg.merge_from_dict(settings)
    torch.manual_seed(seed)
    model = MODELS.build(cfg.model)
    # Running statistics of a trained model are not 0 and 1.
    for name, buffer in model.named_buffers():
        if name.endswith('running_mean'):
            buffer.normal_(std=0.1)
        elif name.endswith('running_var'):
            buffer.uniform_(0.5, 1.5)
    torch.save(dict(meta=dict(cfg=cfg.pretty_text), state_dict=model.state_dict()), path)
