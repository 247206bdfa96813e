"""A network in the test loop of its config, or in the validation loop where there is none."""

from __future__ import annotations

import copy
import datetime
import logging
import math
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config, ConfigDict
from mmengine.dist import all_gather_object, is_main_process
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from ..checkpoints import checkpoint_hash, config_from_checkpoint, load_checkpoint_file, load_full
from ..datasets.pipelines import dataset_of
from ..datasets.views import view_of
from ..engine.distributed import init_cpu_process_group, set_cpu_model_wrapper
from ..engine.hooks.sample_seed import video_list_datasets
from ..models.recognizers.self_supervised import SelfSupervisedRecognizer, method_of
from ..settings.checks import check_blocks, loader_views, settle_batches, settle_workers
from ..settings.kinds import check_taken, kind_of
from ..settings.pretrained import check_test_labels, set_num_blocks, set_num_classes
from ..version import __version__
from .classification import class_scores, classification_records
from .encoder import quiet
from .unintentional_records import unintentional_records

# Times the loss of guessing that a model has diverged at.
ABSURD_RISE = 10.0
# Settings of a model that say how it is tested, not what was trained.
_OF_THE_TEST = ('max_views', 'data_preprocessor.normalize_test')
# Records of a network that was trained for a task, by the part of its config that says so.
_RECORDS = dict(classification=classification_records, unintentional=unintentional_records)


def run_loop(
    cfg: Config,
    checkpoint: str | Path,
    seed: int = 0,
    launcher: str = 'none',
    options: dict | None = None,
    *,
    dump: str | Path | None = None,
    baselines: bool = True,
) -> list[dict]:
    """Run mmengine's test loop, or the validation loop of a config without one.

    Args:
        cfg: Config with a model, ``work_dir`` and a test or validation loader; changed.
        checkpoint: File with all weights of the model, or ``random``.
        seed: Seed of random weights.
        launcher: ``'none'``, ``'pytorch'``, ``'slurm'`` or ``'mpi'``.
        options: Settings, by dotted name, that the user changed: those of the model also count
            where the model is rebuilt from the checkpoint, which is done when its config has a
            model of the same type. Where a curriculum trained it, it predicts as many blocks as in
            the checkpoint's epoch.
        dump: File for the class probabilities of a classifier.
        baselines: Put trivial answers beside a classifier, unless its config says otherwise.

    Returns:
        Of a config with a ``classification`` or ``unintentional`` part the records of
        :func:`.classification.classification_records` or
        :func:`.unintentional_records.unintentional_records`. Of any other, one record with
        ``metrics[name] = dict(value)``, as the loop's metrics name them, and in ``chance`` the
        levels of the method's ``reference_levels``; its ``unit`` is ``'fraction'``:
        accuracies and chance are shares from 0 to 1.

    Raises:
        ValueError: The config has no loop to run, or the checkpoint is of another model.
        FileNotFoundError: No such checkpoint.
    """
    kind = kind_of(cfg)
    part = next((part for part in ('test', 'val') if cfg.get(f'{part}_dataloader')), None)
    if part is None or cfg.get('model') is None:
        raise ValueError(
            f'the config {cfg.filename or ""} has neither an evaluation part nor a '
            'model with a test_dataloader or val_dataloader: there is nothing to test'
        )
    check_taken(cfg, ['--dump'] * bool(dump))
    contents = None if checkpoint == 'random' else load_checkpoint_file(checkpoint)
    trained, meta = None, (contents or {}).get('meta') or {}
    if contents is not None and meta.get('cfg'):
        trained = config_from_checkpoint(contents, str(checkpoint))
        held = (trained.get('model') or {}).get('type')
        if held == cfg.model.type:
            _use_trained_model(cfg, trained, meta, checkpoint, options or {})
        elif kind.is_trained:
            raise ValueError(
                f'{checkpoint} holds a {held}, not the trained {cfg.model.type} that this config '
                'tests: test it with the config that trained it, or train with mmssl train '
                f'{Path(cfg.filename or "CONFIG").name} --pretrained {checkpoint}'
            )
    if kind.has_classes:
        is_given = 'num_blocks' in (options or {})
        if trained is not None and 'num_blocks' in trained and not is_given:
            cfg.num_blocks = trained.num_blocks
        set_num_blocks(cfg)
        if cfg.model.cls_head.get('num_classes') is None:
            set_num_classes(cfg)
        check_test_labels(cfg)
    baselines = baselines and (cfg.get('classification') or {}).get('baselines', True)
    whole = copy.deepcopy(cfg)
    _only_test(cfg, part)
    settle_workers(cfg)
    settle_batches(cfg)
    check_blocks(cfg, loader_views(cfg))
    cfg.setdefault('randomness', ConfigDict()).seed = seed
    cfg.load_from, cfg.resume = None, False
    if launcher != 'none':
        init_cpu_process_group(launcher)
        set_cpu_model_wrapper(cfg)
    cfg.launcher = launcher
    runner = Runner.from_cfg(cfg)
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    if contents is None:
        torch.manual_seed(seed)
        with quiet():
            model.init_weights()
    else:
        load_full(model, contents, str(checkpoint))
    metrics = runner.test()
    for metric_name, value in metrics.items():
        if not math.isfinite(value):
            raise ValueError(
                f'{metric_name} of {checkpoint} is {value}: the model diverged, or its BatchNorm '
                'statistics are broken; take a checkpoint from before'
            )
    loader, dataset = runner.test_dataloader, dataset_of(cfg.test_dataloader)
    subject: dict[str, Any] = dict(
        subject='random' if contents is None else Path(checkpoint).name,
        checkpoint=None if contents is None else str(checkpoint),
        seed=seed,
    )
    if kind.is_trained:
        [metric] = [each for each in runner.test_loop.evaluator.metrics if hasattr(each, 'output')]
        records = _RECORDS[kind.key](
            whole,
            metric,
            baselines=baselines,
            trained=trained,
            meta=meta,
            unreadable=_unreadable(loader.dataset),
            **subject,
        )
        if dump and is_main_process():
            class_scores(metric, records[-1]).save(dump)
        return records
    levels, warnings = {}, []
    if isinstance(model, SelfSupervisedRecognizer):
        guess = model.guessing_loss({name.split('/')[-1]: v for name, v in metrics.items()})
        loss = next((v for name, v in metrics.items() if name.split('/')[-1] == 'loss'), 0.0)
        if guess is not None and loss > ABSURD_RISE * guess:
            warnings.append(
                f'the loss of {checkpoint} is {loss:.3g}, and that of guessing {guess:.3g}: the '
                'model diverged'
            )
            print_log(warnings[-1], level=logging.WARNING)
        levels = model.reference_levels(
            loader.dataset[0]['inputs'],
            min(cfg.test_dataloader.get('batch_size', 1), len(loader.dataset)),
        )
    return [
        dict(
            protocol=f'loop/{part}',
            version=1,
            options={},
            dataset=str(dataset.get('ann_file', '')),
            split=dict(query=Path(dataset.get('ann_file', '')).name),
            views=view_of(dict(dataset=dataset)).sentence,
            kind='model',
            **subject,
            checkpoint_hash=None if contents is None else checkpoint_hash(checkpoint),
            bn_batches=0,
            num_queries=len(loader.dataset),
            metrics={name: dict(value=float(value)) for name, value in metrics.items()},
            chance=levels,
            unit='fraction',
            warnings=warnings,
            time=datetime.datetime.now().astimezone().isoformat(timespec='seconds'),
            software=dict(mmssl_video=__version__, torch=torch.__version__),
        )
    ]


def _use_trained_model(cfg, trained, meta, checkpoint, options):
    """Rebuild the model that was trained; how it is tested is said by the config at hand."""
    model, tested = trained.model, cfg.model
    for key in _OF_THE_TEST:
        place, asked = model, tested
        *parents, name = key.split('.')
        for parent in parents:
            place, asked = place.get(parent) or {}, asked.get(parent) or {}
        if name in asked:
            place[name] = asked[name]
    cfg.model = model
    if 'model.pred_steps' not in options:
        _set_stage(cfg.model, trained, meta, checkpoint)
    cfg.merge_from_dict({key: value for key, value in options.items() if key.startswith('model.')})


def _unreadable(dataset):
    """Test videos left out in any process, ``(name, reason)`` each once."""
    own = [
        (video.path, video.reason)
        for part in video_list_datasets(dataset)
        for video in part.bad_videos()
    ]
    return sorted({video for part in all_gather_object(own) for video in part})


def _set_stage(model, trained, meta, checkpoint):
    """Let a model predict as in the last finished epoch of the curriculum that trained it."""
    epoch, method = meta.get('epoch'), method_of(model)
    if method is None or not isinstance(epoch, int):
        return
    for name, value in method.settings_at(trained, max(epoch - 1, 0)).items():
        if model.get(name) != value:
            model[name] = value
            print_log(
                f'{checkpoint} is of epoch {epoch} of a curriculum: the model predicts {value} '
                f'blocks, as it did then (change it by --cfg-options model.{name}=N).'
            )


def _only_test(cfg, part):
    """Leave a Runner nothing but a test loop, with the data of ``part`` (``'test'`` or ``'val'``).

    A validation loop proper would let the hooks of training act on it: save the best checkpoint,
    lower the learning rate.
    """
    if not cfg.get(f'{part}_evaluator'):
        raise ValueError(
            f'the config {cfg.filename or ""} has a {part}_dataloader and no '
            f'{part}_evaluator: there is nothing to measure'
        )
    cfg.test_dataloader, cfg.test_evaluator = cfg[f'{part}_dataloader'], cfg[f'{part}_evaluator']
    cfg.test_cfg = cfg.get('test_cfg') or dict(type='TestLoop')
    for name in (
        'train_dataloader',
        'train_cfg',
        'optim_wrapper',
        'param_scheduler',
        'val_dataloader',
        'val_cfg',
        'val_evaluator',
        'auto_scale_lr',
    ):
        cfg.pop(name, None)
    cfg.setdefault('default_hooks', ConfigDict()).checkpoint = None
    cfg.visualizer = dict(type='Visualizer', vis_backends=[dict(type='LocalVisBackend')])
