"""What a run begins with: nothing, an encoder, or a run that was interrupted."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper

from ..checkpoints import (
    CheckpointError,
    config_from_checkpoint,
    load_checkpoint_file,
    load_full,
    match_weights,
    state_dict_of,
)
from ..engine.hooks.encoder_weights import loaded_parts
from .kinds import kind_of
from .pretrained import check_pretrained


def choose_start(cfg: Config, resume: str | None) -> None:
    """Settle what the run begins with: ``cfg.load_from`` and ``cfg.resume``.

    Args:
        cfg: Changed in place.
        resume: None; ``'auto'`` for the last checkpoint in the work dir, if there is one; or the
            path of a checkpoint.

    Raises:
        ValueError: The config needs a pre-trained encoder and names none.
        FileNotFoundError: A checkpoint is not there.
    """
    resumed_from, given = None, cfg.get('load_from') not in (None, '', 'required')
    if resume is not None or (cfg.get('resume') and not given):
        resumed_from = resume if resume not in (None, 'auto') else last_checkpoint(cfg.work_dir)
        cfg.resume = resumed_from is not None
        if resumed_from is None:
            print_log(f'There is no checkpoint in {cfg.work_dir} yet: training from the start.')
    if resumed_from is None and not cfg.get('resume'):
        check_pretrained(cfg)
    elif resumed_from is not None:
        cfg.load_from = resumed_from
        if kind_of(cfg).is_trained:
            contents = load_checkpoint_file(resumed_from)
            if (contents.get('meta') or {}).get('cfg'):
                cfg.pretrained = config_from_checkpoint(contents, resumed_from).get('pretrained')


def optimizer_changes(
    cfg: Config, checkpoint: Mapping, source: str, options: Mapping | None = None
) -> dict[str, tuple]:
    """What a resumed run changes of the optimizer, asked for by ``options``; says what it does not.

    A config file that differs from that of the checkpoint changes nothing, as it may have been
    edited for another run: the state of the checkpoint goes on.

    Args:
        cfg: Config of the run.
        checkpoint: What is resumed.
        source: Its name.
        options: Settings that the user gave, by dotted name.

    Returns:
        ``{name: (before, now)}`` for
        :class:`~mmssl_video.engine.hooks.ResumedOptimizerHook`.

    Raises:
        ValueError: The optimizer is of another type: its state fits no other.
    """
    if not (checkpoint.get('meta') or {}).get('cfg'):
        return {}
    trained = config_from_checkpoint(dict(checkpoint), source)
    before = (trained.get('optim_wrapper') or {}).get('optimizer') or {}
    now = cfg.optim_wrapper.get('optimizer') or {}
    if before.get('type') != now.get('type'):
        raise ValueError(
            f'{source} was trained with the optimizer {before.get("type")}, whose state does not '
            f'fit {now.get("type")}: begin anew from its weights with --cfg-options '
            f'load_from={source}'
        )
    changes = {}
    for name, value in now.items():
        place = f'optim_wrapper.optimizer.{name}'
        if value == before.get(name):
            continue
        if {place, 'optim_wrapper', 'optim_wrapper.optimizer'} & set(options or ()):
            changes[name] = (before.get(name), value)
        else:
            print_log(
                f'{source} was trained with {place}={before.get(name)}, which goes on, though the '
                f'config says {value}: --cfg-options {place}={value} changes it',
                level=logging.WARNING,
            )
    if trained.get('param_scheduler') != cfg.get('param_scheduler'):
        print_log(
            f'the param_scheduler of {source} goes on, though the config now says another one: '
            'its state is part of the checkpoint',
            level=logging.WARNING,
        )
    return changes


def last_checkpoint(work_dir: str | os.PathLike) -> str | None:
    """The checkpoint that ``last_checkpoint`` in the work dir names, also after the dir was moved.

    Raises:
        FileNotFoundError: It names a file that is gone.
    """
    note = Path(work_dir) / 'last_checkpoint'
    if not note.exists():
        return None
    named = Path(note.read_text().strip())
    for path in (named, note.with_name(named.name)):
        if path.is_file():
            return str(path)
    raise FileNotFoundError(
        f'{note} names {named}, which does not exist: resume from another '
        f'checkpoint with --resume PATH, or remove {note}'
    )


def check_checkpoint(model: torch.nn.Module, path: str, resume: bool) -> dict:
    """Compare a checkpoint with the model before any data are touched.

    Resuming needs every key; ``load_from`` may leave whole parts out, but not pieces of one.
    mmengine only logs such differences and trains on from a model half at random.

    Returns:
        The checkpoint.

    Raises:
        FileNotFoundError, CheckpointError: It cannot be read, or is of another architecture.
    """
    checkpoint = load_checkpoint_file(path)
    if resume:
        if not {'optimizer', 'message_hub'} <= set(checkpoint) or not (
            {'epoch', 'iter'} <= set(checkpoint.get('meta', ()))
        ):
            raise CheckpointError(
                f'{path} holds weights only, so training cannot be resumed from '
                'it; start from its weights with --cfg-options load_from=PATH'
            )
        if 'config' in checkpoint['meta']:
            raise CheckpointError(
                f'{path} is refused: mmengine would run the text in its '
                "meta['config'], which a checkpoint of ours does not have"
            )
        load_full(model, checkpoint, str(path))
        return checkpoint
    weights = state_dict_of(checkpoint, str(path))
    model = model.get_submodule('module') if is_model_wrapper(model) else model
    parts = loaded_parts(model)
    if not any(key.split('.', 1)[0] in parts for key in weights):
        raise CheckpointError(
            f'{path} is of another architecture: none of its keys '
            f'({next(iter(weights))}, ...) is in the model'
        )
    # A part that is absent altogether is fine; a deeper backbone or half a neck is not.
    match_weights(model, weights, str(path), parts)
    return checkpoint
