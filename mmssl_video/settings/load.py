"""Reading a config, and changing some of its settings."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.logging import print_log

from .data import settle_data
from .keys import check_keys
from .names import find_config, read_config

# Names in the base configs only: the data loader that holds a copy.
_COPIED = dict(
    train_pipeline='train_dataloader',
    val_pipeline='val_dataloader',
    test_pipeline='test_dataloader',
)


def load_config(
    name: str | Path,
    options: dict | None = None,
    data: str | Path | Mapping | None = None,
    flow: bool = False,
) -> Config:
    """Read a config, combine it with a data set and change some of its settings.

    Args:
        name: Path, or name of a shipped config (:func:`mmssl_video.find_config`).
        options: ``{'a.b.c': value}``, as ``'train_dataloader.dataset.pipeline.sample.stride'``;
            numbers reach into lists.
        data: Data set, in the place of the config's own (:func:`.data.load_data`).
        flow: Whether to read its optical flow.

    Returns:
        The config, with ``work_dir`` set to ``work_dirs/<name>`` where it names none.

    Raises:
        FileNotFoundError: No such config.
        ValueError: It is no Python, an option names no place in it, or it has settings that nothing
            reads (:func:`.keys.check_keys`).
    """
    path = find_config(name)
    cfg = read_config(path)
    settle_data(cfg, data, flow, options)
    if options:
        check_options(cfg, options)
        cfg.merge_from_dict(options)
    check_keys(cfg, options)
    if cfg.get('work_dir') is None:
        cfg.work_dir = os.path.join('work_dirs', path.stem)
    return cfg


def check_options(cfg: Config, options: dict) -> None:
    """See whether each option names a place in the config; warn of those that change nothing.

    Raises:
        ValueError: It does not. (mmengine's own errors are long, or come from deep within.)
    """
    for key in options:
        node, parts = cfg, key.split('.')
        if len(parts) > 1 and parts[0] in _COPIED:
            loader = f'{_COPIED[parts[0]]}.dataset.pipeline'
            print_log(
                f'--cfg-options {key} changes nothing: the data loaders hold copies of '
                f'{parts[0]}; set {".".join([loader, *parts[1:]])}',
                level=logging.WARNING,
            )
        for number, part in enumerate(parts):
            where = '.'.join(parts[:number])
            if isinstance(node, (dict, Config)):
                if part not in node or number == len(parts) - 1:
                    break  # new or replaced
                node = node[part]
            elif isinstance(node, list):
                if not part.isdigit() or int(part) >= len(node):
                    raise ValueError(
                        f'--cfg-options {key}: {where} is a list of {len(node)} items '
                        f'and has no item {part} (they count from 0)'
                    )
                node = node[int(part)]
                if number == len(parts) - 1 and not (
                    isinstance(node, dict) and isinstance(options[key], dict)
                ):
                    raise ValueError(
                        f'--cfg-options {key}: an item of a list cannot be replaced; '
                        f'set what is in it ({key}.KEY=VALUE) or the whole {where}'
                    )
            else:
                raise ValueError(
                    f'--cfg-options {key}: {where} is {str(node)[:60]}, so there is no {part} in it'
                )


def use_amp(cfg: Config) -> None:
    """Switch mixed precision on: float16 with loss scaling on a GPU, bfloat16 on the CPU.

    Whether gradients are right in it is checked in the first step
    (:class:`mmssl_video.engine.hooks.AmpGradientCheckHook`).
    """
    wrapper = cfg.optim_wrapper
    kind = wrapper.get('type', 'OptimWrapper')
    if kind not in ('OptimWrapper', 'AmpOptimWrapper', 'CPUAmpOptimWrapper'):
        raise ValueError(f'--amp cannot be used with optim_wrapper.type={kind!r}')
    if torch.cuda.is_available():
        wrapper.type = 'AmpOptimWrapper'
        wrapper.setdefault('loss_scale', 'dynamic')
    else:
        wrapper.type = 'CPUAmpOptimWrapper'
        for key in ('loss_scale', 'dtype', 'use_fsdp'):
            wrapper.pop(key, None)
    hooks = list(cfg.get('custom_hooks') or [])
    if not any(str(hook.get('type')).endswith('AmpGradientCheckHook') for hook in hooks):
        cfg.custom_hooks = [*hooks, dict(type='AmpGradientCheckHook')]


def use_auto_scale_lr(cfg: Config) -> None:
    """Switch the linear scaling of the learning rate on."""
    if not cfg.get('auto_scale_lr') or 'base_batch_size' not in cfg.auto_scale_lr:
        raise ValueError(
            '--auto-scale-lr needs auto_scale_lr=dict(base_batch_size=...) in the '
            'config: the batch size, over all processes, its learning rate is for'
        )
    cfg.auto_scale_lr.enable = True
