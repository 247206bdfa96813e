"""Everything that can be wrong with a config and can be said before the first step."""

from __future__ import annotations

import os

from mmaction.registry import OPTIMIZERS
from mmengine.config import Config

from ..apis.views import dataset_of, num_views_of, pipeline_of


def check_config(cfg: Config) -> None:
    """Compare what the pipelines give with what the model expects.

    Raises:
        ValueError: A part of the config is missing, or pipeline and model contradict each other.
    """
    for key in ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper'):
        if not cfg.get(key):
            raise ValueError(
                f'the config {cfg.filename or ""} has no {key}: it is no config to train with'
            )
    optimizer = cfg.optim_wrapper.get('optimizer', {})
    kind = optimizer.get('type')
    if isinstance(kind, str) and OPTIMIZERS.get(kind) is None:
        raise ValueError(f'there is no optimizer {kind!r} (optim_wrapper.optimizer.type)')
    for key in ('lr', 'weight_decay', 'momentum', 'eps'):
        value = optimizer.get(key, 0)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
            raise ValueError(
                f'optim_wrapper.optimizer.{key} must be a number of at least 0, not {value!r}'
            )
    for name, least in (
        ('train_dataloader.batch_size', 1),
        ('train_dataloader.num_workers', 0),
        ('val_dataloader.batch_size', 1),
        ('val_dataloader.num_workers', 0),
        ('train_cfg.max_epochs', 1),
    ):
        part, key = name.split('.')
        value = (cfg.get(part) or {}).get(key, least)
        if not isinstance(value, int) or value < least:
            raise ValueError(f'{name} must be a whole number of at least {least}, not {value!r}')
    check_blocks(cfg)
    check_views(cfg)
    check_hooks(cfg)


def check_views(cfg: Config) -> None:
    """See whether pairs of clips, and enough of them, reach a model that compares two views.

    Raises:
        ValueError: A sample has another number of clips, or a batch holds a single pair, of which
            batch norm has no statistics.
    """
    kind = str(cfg.model.type).split('.')[-1]
    if kind not in ('BYOL', 'SSTL'):
        return
    for name in ('train_dataloader', 'val_dataloader'):
        count = num_views_of(pipeline_of(cfg.get(name)))
        if cfg.get(name) and count != 2:
            raise ValueError(
                f'{name}: the pipeline gives {count or "a varying number of"} '
                f'clip{"s" * (count != 1)} of a video, and {kind} compares 2: set '
                + (
                    "SampleWindow.num_windows=2 and mode='random' or 'uniform'"
                    if kind == 'BYOL'
                    else "RepeatClips.times=2 and SampleWindow.mode='random'"
                )
            )
    if kind == 'BYOL' and cfg.train_dataloader.get('batch_size', 1) < 2:
        raise ValueError(
            'train_dataloader.batch_size must be at least 2 in each process: batch '
            'norm of the projector has no statistics of a single video'
        )


def check_hooks(cfg: Config) -> None:
    """See whether the hook is there without which a model trains, but never as it should.

    Raises:
        ValueError: Nothing moves the target encoder of a ``BYOL``.
    """
    hooks = [str(hook.get('type')) for hook in cfg.get('custom_hooks') or []]
    if str(cfg.model.type).split('.')[-1] == 'BYOL' and not any(
        'MomentumUpdateHook' in hook for hook in hooks
    ):
        raise ValueError(
            'the target encoder of BYOL would never move: add '
            "dict(type='MomentumUpdateHook') to custom_hooks, or inherit from "
            '_base_/target_runtime.py'
        )


def check_blocks(cfg: Config) -> None:
    """Compare the blocks that pipelines make of a clip with those the model expects.

    Raises:
        ValueError: They differ, or a window is no whole number of them.
    """
    num_blocks = cfg.model.get('num_blocks')
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        window = None
        for step in pipeline_of(cfg.get(name)):
            kind = str(step.get('type')).split('.')[-1]
            if kind == 'SampleWindow':
                window = step.get('num_frames', window)
            elif kind == 'TemporalRandomCrop':
                window = step.get('num_frames', 16)
            elif kind == 'SplitBlocks':
                blocks = step.get('num_blocks', num_blocks)
                if num_blocks is not None and blocks != num_blocks:
                    raise ValueError(
                        f'{name}: SplitBlocks makes {blocks} blocks of a clip but '
                        f'model.num_blocks is {num_blocks}; set both to the same number'
                    )
                if window and blocks and window % blocks:
                    raise ValueError(
                        f'{name}: a window of {window} frames cannot be split into {blocks} '
                        f'blocks of equal length; set SampleWindow.num_frames to a multiple of '
                        f'{blocks}, such as {max(window // blocks, 1) * blocks}'
                    )


def check_lists(cfg: Config) -> None:
    """Look for the list files before anything is built.

    Raises:
        FileNotFoundError: One is not there.
    """
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        dataset = dataset_of(cfg.get(name))
        ann_file = dataset.get('ann_file')
        if ann_file and '://' not in ann_file:
            path = os.path.join(dataset.get('data_root') or '', ann_file)
            if not os.path.isfile(path):
                raise FileNotFoundError(
                    f'the list file {path!r} of {name} is not there: write it (one "path label" '
                    f'per line) or set {name}.dataset.ann_file to where it lies'
                )
