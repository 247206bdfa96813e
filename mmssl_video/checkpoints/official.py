"""The checkpoints of the papers' authors, brought into our layout."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from .conversion import Adapter, Conversion
from .io import (
    CheckpointError,
    checkpoint_hash,
    fetch,
    is_web_address,
    load_checkpoint_file,
    save_atomic,
)
from .official_dpc import DPC, MEMDPC
from .official_fgkvmempred import FGKVMEMPRED

#: Who reads the files of whom.
ADAPTERS: dict[str, Adapter] = dict(dpc=DPC, memdpc=MEMDPC, fgkvmempred=FGKVMEMPRED)
ORIGINS = tuple(ADAPTERS)
TARGETS = ('encoder', 'full', 'classifier')


def convert_official(
    state_dict: Mapping[str, Any],
    origin: str,
    target: str | None = None,
    num_blocks: int = 8,
    pred_steps: int = 3,
    source: str = 'the checkpoint',
    stem_pool: bool | None = None,
) -> Conversion:
    """Rename the weights of a released model and work out the model they belong to.

    Args:
        state_dict: The file's weights, with or without ``module.``, or the whole checkpoint.
        origin: ``'dpc'``, ``'memdpc'`` or ``'fgkvmempred'``.
        target: ``'encoder'`` (backbone and neck), ``'full'`` (a pre-training model with its
            predictor) or ``'classifier'`` (fine-tuned or probed); by default all that the file
            holds.
        num_blocks: Blocks of a clip, written into the config (DPC and MemDPC).
        pred_steps: Predicted blocks, written into the config of a pre-training model (DPC and
            MemDPC).
        source: How messages name the file.
        stem_pool: Whether the stem of FGKVMemPred's Slow-R18 ends with a max-pool, where the file's
            settings do not tell: True for the released Kinetics and downstream configs, False for
            those of the pre-training on UCF101.

    Returns:
        The conversion.

    Raises:
        CheckpointError: Something needed is missing, contradicts itself or is not of this layout.
    """
    if origin not in ORIGINS:
        raise ValueError(f'origin must be one of {ORIGINS}, not {origin!r}')
    if target is not None and target not in TARGETS:
        raise ValueError(f'target must be one of {TARGETS}, not {target!r}')
    return ADAPTERS[origin].convert(state_dict, target, num_blocks, pred_steps, source, stem_pool)


def convert_file(
    source: str | Path,
    destination: str | Path,
    origin: str,
    target: str | None = None,
    num_blocks: int = 8,
    pred_steps: int = 3,
    force: bool = False,
    size: int | None = None,
    stem_pool: bool | None = None,
) -> Conversion:
    """Convert a released ``.pth.tar`` or ``.pyth`` file; see :func:`convert_official`.

    The written file holds ``state_dict`` and ``meta`` (the config as text, where it came from), so
    that encoders, models and views are rebuilt from it alone. It appears whole or not at all.

    Args:
        source: The released file, or its web address.
        destination: The ``.pth`` file to write.
        origin, target, num_blocks, pred_steps: See :func:`convert_official`.
        force: Overwrite an existing file.
        size: Side of the frames the model was trained on, in pixels. By default 128 for DPC and
            MemDPC (128 or 224 in the papers); FGKVMemPred's files tell it.
        stem_pool: See :func:`convert_official`.

    Returns:
        The conversion.

    Raises:
        FileExistsError: The destination exists and ``force`` is not set.
        FileNotFoundError: No such file or no such destination folder.
        CheckpointError: See :func:`convert_official` and
            :func:`mmssl_video.checkpoints.load_checkpoint_file`.
    """
    destination, name = Path(destination), str(source)
    source = fetch(str(source)) if is_web_address(source) else Path(source)
    if destination.is_dir():
        raise CheckpointError(f'{destination} is a directory: give the name of the file to write.')
    if destination.exists() and source.exists() and destination.samefile(source):
        raise CheckpointError(
            f'{destination} is the file to convert: give another name to write to.'
        )
    if destination.exists() and not force:
        raise FileExistsError(
            f'{destination} exists: choose another name or overwrite it with --force.'
        )
    if not destination.parent.is_dir():
        raise FileNotFoundError(f'the folder {destination.parent} does not exist: create it first.')
    checkpoint = load_checkpoint_file(source)
    conversion = convert_official(
        checkpoint, origin, target, num_blocks, pred_steps, str(source), stem_pool
    )
    pipeline = ADAPTERS[origin].pipeline(conversion, checkpoint, num_blocks, size, str(source))
    config = Config(
        dict(
            default_scope='mmaction',
            custom_imports=dict(imports=['mmssl_video'], allow_failed_imports=False),
            model=conversion.model,
            train_pipeline=pipeline,
        )
    )
    facts = {
        name: checkpoint[name]
        for name in ('epoch', 'iteration', 'best_acc', 'net', 'backbone')
        if isinstance(checkpoint.get(name), (int, float, str))
    }
    meta = dict(
        cfg=config.pretty_text,
        source=dict(
            format=origin,
            target=conversion.target,
            file=name if is_web_address(name) else source.name,
            sha256=checkpoint_hash(source),
            **facts,
        ),
    )
    save_atomic(dict(meta=meta, state_dict=conversion.state_dict), destination)
    return conversion
