"""Everything that can be wrong with a config and can be said before the first step."""

from __future__ import annotations

import os
from collections.abc import Mapping

from mmaction.registry import OPTIMIZERS
from mmengine.config import Config, ConfigDict

from ..datasets.pipelines import dataset_of, located_steps
from ..datasets.preparation.prepare import DATASETS
from ..datasets.views import View, view_of
from ..models.recognizers.self_supervised import method_of

#: The data loaders of a config.
LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')


def check_config(cfg: Config) -> None:
    """See whether a config can train: its settings, its pipelines, what its model needs of them.

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
        ('test_dataloader.batch_size', 1),
        ('test_dataloader.num_workers', 0),
        ('train_cfg.max_epochs', 1),
    ):
        part, key = name.split('.')
        value = (cfg.get(part) or {}).get(key, least)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(f'{name} must be a whole number of at least {least}, not {value!r}')
    interval = cfg.train_cfg.get('val_interval', 1)
    if isinstance(interval, bool) or not isinstance(interval, int) or interval < 1:
        raise ValueError(
            f'train_cfg.val_interval must be a whole number of at least 1, not {interval!r}; to '
            'train without validation set val_dataloader=None val_cfg=None val_evaluator=None'
        )
    views = loader_views(cfg)
    check_blocks(cfg, views)
    check_samples(cfg, views)
    method = method_of(cfg.model)
    if method is not None:
        method.check_config(cfg)


def settle_workers(cfg: Config) -> None:
    """Take from loaders without workers (``num_workers=0``) what only workers can have."""
    for name in LOADERS:
        if cfg.get(name) and not cfg[name].get('num_workers'):
            for key in ('persistent_workers', 'prefetch_factor', 'multiprocessing_context'):
                cfg[name].pop(key, None)


def settle_batches(cfg: Config) -> None:
    """Have held-out videos of a self-supervised method dealt in whole batches.

    Its figures depend on what else is in a batch, so that batches must not depend on the number of
    processes.
    """
    if method_of(cfg.model) is None:
        return
    for name in ('val_dataloader', 'test_dataloader'):
        loader = cfg.get(name)
        if loader and loader.get('batch_sampler') is None:
            loader.batch_sampler = dict(
                type='WholeBatchSampler', drop_last=loader.pop('drop_last', False)
            )


def settle_accumulation(cfg: Config) -> None:
    """Have schedules and epochs keep step with an optimizer that accumulates gradients.

    Raises:
        ValueError: ``accumulative_counts`` is no whole number of at least 1.
    """
    counts = cfg.optim_wrapper.get('accumulative_counts', 1)
    if isinstance(counts, bool) or not isinstance(counts, int) or counts < 1:
        raise ValueError(
            'optim_wrapper.accumulative_counts must be a whole number of at least 1, not '
            f'{counts!r}'
        )
    hooks = cfg.setdefault('default_hooks', ConfigDict())
    own = (hooks.get('param_scheduler') or {}).get('type', 'ParamSchedulerHook')
    if counts > 1 and own == 'ParamSchedulerHook':
        hooks.param_scheduler = dict(type='AccumulatedStepsHook')


def loader_views(cfg: Config) -> dict[str, View]:
    """What each data loader of a config shows of a video.

    Raises:
        ValueError: A transform cannot be built, or does not fit those before it.
    """
    views = {}
    for name in LOADERS:
        if cfg.get(name):
            try:
                views[name] = view_of(cfg[name])
            except ValueError as error:
                raise ValueError(f'{name}.{error}') from error
    return views


def check_samples(cfg: Config, views: dict[str, View]) -> None:
    """Compare the samples that the pipelines give with those that the method in training needs.

    Args:
        cfg: Config of a training run.
        views: What its data loaders show, see :func:`loader_views`.

    Raises:
        ValueError: A sample has another number of clips, or lacks something the method reads.
    """
    method = method_of(cfg.model)
    if method is None:
        return
    needs = method.needs(cfg.model)
    for name in ('train_dataloader', 'val_dataloader'):
        if needs.num_clips is None or name not in views:
            continue
        count = views[name].num_views
        if count != needs.num_clips:
            raise ValueError(
                f'{name}: the pipeline gives {count or "a varying number of"} '
                f'clip{"s" * (count != 1)} of a video, and {method.__name__} compares '
                f'{needs.num_clips}: set {needs.advice}'
            )
    for place, step in located_steps(dataset_of(cfg.train_dataloader).get('pipeline')):
        if not isinstance(step, Mapping) or not str(step['type']).endswith('PackActionInputs'):
            continue
        missing = [key for key in needs.keys if key not in step.get('meta_keys', ())]
        if missing:
            key = f'train_dataloader.dataset.pipeline.{place}.meta_keys'
            raise ValueError(
                f'{method.__name__} reads {", ".join(missing)} of every sample, which the pipeline '
                f'does not pass on: add {"it" if len(missing) == 1 else "them"} to {key}'
            )


def check_blocks(cfg: Config, views: dict[str, View]) -> None:
    """Compare the blocks that pipelines make of a clip with those the model expects.

    Raises:
        ValueError: They differ.
    """
    method = method_of(cfg.model)
    num_blocks = method.needs(cfg.model).num_blocks if method else cfg.model.get('num_blocks')
    for name, view in views.items():
        if None not in (num_blocks, view.blocks) and view.blocks != num_blocks:
            keys = ', '.join(f'{name}.{key}' for key in view.where.get('blocks', ()))
            raise ValueError(
                f'{name} makes {view.blocks} blocks of a clip but model.num_blocks is '
                f'{num_blocks}; set both to the same number ({keys})'
            )


def check_lists(cfg: Config) -> None:
    """Look for the list files before anything is built.

    Raises:
        FileNotFoundError: One is not there.
    """
    for name in LOADERS:
        dataset = dataset_of(cfg.get(name))
        ann_file = dataset.get('ann_file')
        if ann_file and '://' not in ann_file:
            path = os.path.join(dataset.get('data_root') or '', ann_file)
            if not os.path.isfile(path):
                raise FileNotFoundError(
                    f'the list file {path!r} of {name} is not there: {_how_to_make(path)} (one '
                    f'"path label" per line), or set {name}.dataset.ann_file to where it lies'
                )


def _how_to_make(path: str) -> str:
    """What to do for a list; of the data sets that a command prepares, by that command."""
    folder = os.path.dirname(path)
    makers = {name: f'mmssl prepare {name} DOWNLOADED_VIDEOS {folder}' for name in DATASETS}
    makers['demo'] = f'mmssl demo-videos {folder}'
    makers['demo_failures'] = f'mmssl demo-videos --failures {folder}'
    command = makers.get(os.path.basename(folder))
    return f'write it with {command}' if command else 'write it'
