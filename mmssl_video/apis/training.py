"""Training from a config: ``train(cfg)``."""

from __future__ import annotations

import importlib.util
import logging

import torch
from mmengine.config import Config
from mmengine.dist import init_dist, is_distributed
from mmengine.logging import print_log
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from ..checkpoints import load_checkpoint_file
from ..engine.distributed import init_cpu_process_group, set_cpu_model_wrapper
from ..engine.hooks import EncoderWeightsHook, ResumedOptimizerHook
from ..results.run_lock import locked
from ..settings.checks import (
    check_config,
    check_lists,
    settle_accumulation,
    settle_batches,
    settle_workers,
)
from ..settings.kinds import kind_of
from ..settings.pretrained import (
    set_num_blocks,
    set_num_classes,
    use_checkpoint_encoder,
)
from ..settings.start import check_checkpoint, choose_start, optimizer_changes


def train(
    cfg: Config, resume: str | None = None, launcher: str = 'none', options: dict | None = None
) -> torch.nn.Module:
    """Train a model; everything that can be checked is checked before the first step.

    Args:
        cfg: Config with a ``work_dir``; changed in place.
        resume: None; ``'auto'`` for the last checkpoint in the work dir, if there is one; or the
            path of a checkpoint.
        launcher: ``'none'``, ``'pytorch'``, ``'slurm'`` or ``'mpi'``.
        options: Settings that the user gave, by dotted name: those of the model win over those of
            a checkpoint where the encoder's architecture comes from it (``encoder_from =
            'checkpoint'``), those of the optimizer over those of a checkpoint that is resumed.

    Returns:
        The trained model.

    Raises:
        ValueError, FileNotFoundError, PermissionError: The config, a file or the work dir cannot
            be used; the message is one sentence for the user.
        RuntimeError: Another run is at work in the work dir.
    """
    if launcher != 'none':
        init_cpu_process_group(launcher)
        if torch.cuda.is_available() and not is_distributed():  # as the Runner would, later
            init_dist(launcher, **(cfg.get('env_cfg') or {}).get('dist_cfg', {}))
    with locked(cfg.work_dir):
        return _train(cfg, resume, launcher, options)


def _train(cfg, resume, launcher, options):
    choose_start(cfg, resume)
    check_lists(cfg)
    if cfg.get('load_from') and cfg.get('encoder_from') == 'checkpoint':
        use_checkpoint_encoder(cfg, load_checkpoint_file(cfg.load_from), cfg.load_from, options)
    if kind_of(cfg).has_classes:
        set_num_blocks(cfg)
        set_num_classes(cfg)
    check_config(cfg)
    settle_workers(cfg)
    settle_batches(cfg)
    settle_accumulation(cfg)
    _drop_missing_tensorboard(cfg)
    if launcher != 'none':
        set_cpu_model_wrapper(cfg)
    cfg.launcher = launcher
    runner = RUNNERS.build(cfg) if cfg.get('runner_type') else Runner.from_cfg(cfg)
    if cfg.get('load_from'):
        checkpoint = check_checkpoint(runner.model, cfg.load_from, cfg.resume)
        epochs = cfg.train_cfg.get('max_epochs')
        if cfg.resume and epochs is not None and checkpoint['meta']['epoch'] >= epochs:
            print_log(
                f'{cfg.load_from} has all {epochs} epochs of this run: there is nothing left to '
                'train (train_cfg.max_epochs=N makes it longer).'
            )
        if cfg.resume:
            changes = optimizer_changes(cfg, checkpoint, str(cfg.load_from), options)
            runner.register_hook(ResumedOptimizerHook(changes))
        runner.register_hook(EncoderWeightsHook(cfg.load_from))
    return runner.train()


def _drop_missing_tensorboard(cfg: Config) -> None:
    """TensorBoard is an extra: without it the run goes on with the log and the JSON file."""
    backends = (cfg.get('visualizer') or {}).get('vis_backends') or []
    if importlib.util.find_spec('tensorboard') is None:
        kept = [b for b in backends if b.get('type') != 'TensorboardVisBackend']
        if len(kept) < len(backends):
            cfg.visualizer.vis_backends = kept
            print_log(
                'tensorboard is not installed: scalars go to the log and its JSON file only',
                level=logging.INFO,
            )
