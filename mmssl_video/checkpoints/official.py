"""The checkpoints of the DPC and MemDPC authors, brought into our layout.

Everything about the network is read off the shapes of the weights, so files of any depth, width,
number of memory slots, GRU layers and classes convert. What weights cannot tell (number of blocks
and predicted steps) are arguments.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmaction.registry import MODELS
from mmengine.config import Config

from .io import (
    CheckpointError,
    checkpoint_hash,
    load_checkpoint_file,
    save_atomic,
    some,
    state_dict_of,
)

ORIGINS = ('dpc', 'memdpc')
TARGETS = ('encoder', 'full', 'classifier')
# blocks per stage -> depth, for the two kinds of blocks
_BASIC = {(2, 2, 2, 2): 18, (3, 4, 6, 3): 34}
_BOTTLENECK = {(3, 4, 6, 3): 50}
# The authors' names of our parts: their forward GRU is `agg` in DPC and `agg_f` in MemDPC.
_DIRECTIONS = {
    'dpc': {'agg': 'forward_cells'},
    'memdpc': {'agg_f': 'forward_cells', 'agg_b': 'backward_cells'},
}
_RENAMED = {
    'network_pred': 'predictor.mlp',
    'mb': 'predictor.memory',
    'final_bn': 'cls_head.bn',
    'final_fc.1': 'cls_head.fc',
}
_PREPROCESSOR = dict(
    type='ActionDataPreprocessor',
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    format_shape='NCTHW',
)


@dataclass(frozen=True)
class Conversion:
    """A converted checkpoint and what became of each key.

    Attributes:
        state_dict: Weights under our names.
        model: Config of the recognizer they belong to.
        target: ``'encoder'``, ``'full'`` or ``'classifier'``.
        used: ``{official key: our key}``.
        ignored: ``{official key: why}``.
        missing: Keys that the file lacks and the model can do without.
    """

    state_dict: dict[str, torch.Tensor]
    model: dict[str, Any]
    target: str
    used: dict[str, str]
    ignored: dict[str, str]
    missing: list[str]

    def __str__(self) -> str:
        lines = [f'used {len(self.used)} keys']
        lines += [
            f'  {old}' + (f' -> {new}' if new != old else '') for old, new in self.used.items()
        ]
        lines += [f'ignored {len(self.ignored)} keys']
        lines += [f'  {key} ({why})' for key, why in self.ignored.items()]
        lines += [f'missing {len(self.missing)} keys']
        lines += [f'  {key}' for key in self.missing]
        return '\n'.join(lines)


def convert_official(
    state_dict: Mapping[str, torch.Tensor],
    origin: str,
    target: str | None = None,
    num_blocks: int = 8,
    pred_steps: int = 3,
    source: str = 'the checkpoint',
) -> Conversion:
    """Rename the weights of a released model and work out the model they belong to.

    Args:
        state_dict: The file's weights, with or without ``module.``, or the whole checkpoint.
        origin: ``'dpc'`` or ``'memdpc'``.
        target: ``'encoder'`` (backbone and neck), ``'full'`` (a pre-training model with its
            predictor) or ``'classifier'`` (fine-tuned or probed); by default all that the file
            holds.
        num_blocks: Blocks of a clip, written into the config.
        pred_steps: Predicted blocks, written into the config of a pre-training model.
        source: How messages name the file.

    Returns:
        The conversion.

    Raises:
        CheckpointError: Something needed is missing, contradicts itself or is not of this layout.
    """
    if origin not in ORIGINS:
        raise ValueError(f'origin must be one of {ORIGINS}, not {origin!r}')
    if target is not None and target not in TARGETS:
        raise ValueError(f'target must be one of {TARGETS}, not {target!r}')
    given = state_dict_of(state_dict, source)
    _refuse_foreign(given, origin, source)
    is_classifier = any(key.startswith('final_') for key in given)
    target = target or ('classifier' if is_classifier else 'full')
    if target == 'classifier' and not is_classifier:
        raise CheckpointError(
            f'{source} is a pre-training checkpoint without a classifier (no final_fc.1.weight): '
            'convert it with --to encoder and train a classifier on it.'
        )
    if target == 'full' and is_classifier:
        raise CheckpointError(
            f'{source} is a classifier without a predictor (no network_pred.0.weight): convert it '
            'with --to classifier or --to encoder.'
        )

    renamed, ignored = _rename(given, origin, source)
    parts = {
        'encoder': ('backbone', 'neck'),
        'full': ('backbone', 'neck', 'predictor'),
        'classifier': ('backbone', 'neck', 'cls_head'),
    }[target]
    model = _model_config(renamed, origin, is_classifier, parts, num_blocks, pred_steps, source)
    weights, used = {}, {}
    for key, (old, value) in renamed.items():
        if key.split('.', 1)[0] in parts:
            weights[key], used[old] = value, key
        else:
            ignored[old] = f'not part of --to {target}'
    missing = _complete(weights, model, parts, origin, source)
    return Conversion(weights, model, target, used, ignored, missing)


def convert_file(
    source: str | Path,
    destination: str | Path,
    origin: str,
    target: str | None = None,
    num_blocks: int = 8,
    pred_steps: int = 3,
    force: bool = False,
    size: int = 128,
) -> Conversion:
    """Convert a released ``.pth.tar`` file; see :func:`convert_official`.

    The written file holds ``state_dict`` and ``meta`` (the config as text, where it came from), so
    that encoders, models and views are rebuilt from it alone. It appears whole or not at all.

    Args:
        source: The released file.
        destination: The ``.pth`` file to write.
        origin, target, num_blocks, pred_steps: See :func:`convert_official`.
        force: Overwrite an existing file.
        size: Side of the frames the model was trained on, in pixels (128 or 224 in the papers).

    Returns:
        The conversion.

    Raises:
        FileExistsError: The destination exists and ``force`` is not set.
        FileNotFoundError: No such file or no such destination folder.
        CheckpointError: See :func:`convert_official` and
            :func:`mmssl_video.checkpoints.load_checkpoint_file`.
    """
    source, destination = Path(source), Path(destination)
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
    conversion = convert_official(checkpoint, origin, target, num_blocks, pred_steps, str(source))
    config = Config(
        dict(
            default_scope='mmaction',
            custom_imports=dict(imports=['mmssl_video'], allow_failed_imports=False),
            model=conversion.model,
            train_pipeline=_pipeline(num_blocks, size),
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
            file=source.name,
            sha256=checkpoint_hash(source),
            **facts,
        ),
    )
    save_atomic(dict(meta=meta, state_dict=conversion.state_dict), destination)
    return conversion


def _pipeline(num_blocks: int, size: int) -> list[dict]:
    """The frames the authors trained on (5 a block, at stride 3), from which views are derived.

    Augmentation is left out: it is not read off a file, and views have none.
    """
    return [
        dict(type='VideoInit'),
        dict(type='SampleWindow', num_frames=5 * num_blocks, stride=3, mode='random', short='loop'),
        dict(type='DecodeFrames'),
        dict(type='Resize', scale=(size, size), keep_ratio=False),
        dict(type='SplitBlocks', num_blocks=num_blocks),
        dict(type='FormatShape', input_format='NCTHW'),
        dict(type='PackActionInputs'),
    ]


def _refuse_foreign(given: dict, origin: str, source: str) -> None:
    heads = {re.split(r'[._]', key)[0] for key in given}
    directions = _DIRECTIONS[origin]
    if 'neck' in heads:
        raise CheckpointError(f'{source} is a checkpoint of ours already: use it as it is.')
    if 'backbone' not in heads:
        raise CheckpointError(
            f'{source} is not a {origin} checkpoint: it has no backbone.* keys, but '
            f'{some(list(given))}.'
        )
    found = {key.split('.', 1)[0] for key in given if key.startswith('agg')}
    other = 'memdpc' if origin == 'dpc' else 'dpc'
    if found and not found & set(directions):
        hint = f'; it looks like --from {other}' if found & set(_DIRECTIONS[other]) else ''
        raise CheckpointError(
            f'{source} is not a {origin} checkpoint: its aggregation is called '
            f'{", ".join(sorted(found))}, not {", ".join(directions)}{hint}.'
        )


def _rename(given: dict, origin: str, source: str) -> tuple[dict, dict]:
    """Our name -> (official name, tensor), and the reasons for leaving keys out."""
    renamed, ignored = {}, {}
    aliases = []
    for key, value in given.items():
        ours, alias = _our_name(key, origin)
        if ours is None:
            ignored[key] = f'not part of the {origin} layout'
        elif alias:
            aliases.append((key, ours, value))
        else:
            if key.startswith('network_pred') and value.ndim == 4:
                if value.shape[2:] != (1, 1):
                    raise CheckpointError(
                        f'{source}: {key} has kernels of {tuple(value.shape[2:])}, the predictors '
                        'of DPC and MemDPC have 1x1.'
                    )
                value = value.flatten(1)
            renamed[ours] = (key, value)
    # The authors' ConvGRU registers each cell twice: `ConvGRUCell_00` is `cell_list.0`.
    for key, ours, value in aliases:
        if ours not in renamed:
            renamed[ours] = (key, value)
        elif not torch.equal(renamed[ours][1], value):
            raise CheckpointError(
                f'{source} contradicts itself: {key} and {renamed[ours][0]} name one tensor, '
                'but differ.'
            )
        else:
            ignored[key] = f'the same tensor as {renamed[ours][0]}'
    return renamed, ignored


def _our_name(key: str, origin: str) -> tuple[str | None, bool]:
    """Our name of an official key (None when unknown), and whether it is an alias."""
    if key.startswith('backbone.'):
        return key, False
    found = re.fullmatch(
        r'(\w+)\.(?:ConvGRUCell_|(cell_list)\.)(\d+)\.((?:reset|update|out)_gate\.(?:weight|bias))',
        key,
    )
    if found and found[1] in _DIRECTIONS[origin]:
        ours = f'neck.{_DIRECTIONS[origin][found[1]]}.{int(found[3])}.{found[4]}'
        return ours, found[2] is not None
    for old, new in _RENAMED.items():
        if (key == old == 'mb' and origin == 'memdpc') or (
            key.startswith(f'{old}.') and old != 'mb'
        ):
            return new + key[len(old) :], False
    return None, False


def _official_name(key: str, origin: str) -> str:
    """Inverse of :func:`_our_name`, for messages."""
    for old, new in _DIRECTIONS[origin].items():
        found = re.fullmatch(rf'neck\.{new}\.(\d+)\.(.*)', key)
        if found:
            return f'{old}.ConvGRUCell_{int(found[1]):02d}.{found[2]}'
    for old, new in _RENAMED.items():
        if key == new or key.startswith(f'{new}.'):
            return old + key[len(new) :]
    return key


def _model_config(
    renamed: dict,
    origin: str,
    is_classifier: bool,
    parts: tuple,
    num_blocks: int,
    pred_steps: int,
    source: str,
) -> dict:
    """The recognizer that has these weights, with the options of the released code."""
    shapes = {key: tuple(value.shape) for key, (_, value) in renamed.items()}

    def shape(key, ndim):
        if key not in shapes:
            raise CheckpointError(
                f'{source} lacks {_official_name(key, origin)}, which the conversion needs.'
            )
        if len(shapes[key]) != ndim:
            raise CheckpointError(
                f'{source}: {_official_name(key, origin)} has shape {shapes[key]}, not the {ndim} '
                f'dimensions of a {origin} checkpoint.'
            )
        return shapes[key]

    base_channels, in_channels = shape('backbone.conv1.weight', 5)[:2]
    backbone = dict(
        type='ResNet2d3d',
        depth=_depth(shapes, source),
        base_channels=base_channels,
        norm_cfg=dict(type='BN3d'),
        track_running_stats=any(
            re.fullmatch(r'backbone\..*\.running_(mean|var)', key) for key in shapes
        ),
    )
    if in_channels != 3:
        backbone['in_channels'] = in_channels

    layers = [
        int(found[1])
        for found in (re.match(r'neck\.\w+_cells\.(\d+)\.', key) for key in shapes)
        if found
    ]
    gate = 'neck.forward_cells.0.reset_gate'
    hidden = shape(f'{gate}.bias', 1)[0]
    _, both, kernel, _ = shape(f'{gate}.weight', 4)
    neck = dict(
        type='ConvGRU',
        in_channels=both - hidden,
        hidden_channels=hidden,
        num_layers=max(layers) + 1,
        kernel_size=kernel,
        dropout=0.1,
        bidirectional=origin == 'memdpc',
        init_gain=0.1 if origin == 'memdpc' and not is_classifier else 1.0,
    )
    common = dict(
        backbone=backbone, neck=neck, num_blocks=num_blocks, data_preprocessor=_PREPROCESSOR
    )
    if is_classifier:
        width = hidden * (2 if neck['bidirectional'] else 1)
        classes = shape('cls_head.fc.weight', 2)[0]
        return dict(
            type='ContextClassifier',
            relu_first=True,
            cls_head=dict(
                type='ContextHead',
                in_channels=width,
                num_classes=classes,
                batch_norm=True,
                dropout=0.5 if origin == 'dpc' else 0.9,
                average_clips='prob',
            ),
            **common,
        )

    first = 'predictor.mlp.0.weight'
    if 'predictor' in parts or first in shapes:
        predictor = dict(in_channels=shape(first, 2)[1], hidden_channels=shape(first, 2)[0])
        if origin == 'dpc':
            predictor.update(
                type='MLPPredictor', out_channels=shape('predictor.mlp.2.weight', 2)[0]
            )
        else:
            slots, channels = shape('predictor.memory', 2)
            predictor.update(type='CompressiveMemory', out_channels=channels, num_slots=slots)
    else:  # any predictor makes the recognizer of an encoder whole; the file has no weights of it
        predictor = dict(type='MLPPredictor', in_channels=hidden, out_channels=both - hidden)
    return dict(
        type='DensePredictiveCoding',
        predictor=predictor,
        pred_steps=pred_steps,
        prediction='sequential',
        loss=dict(type='DenseInfoNCELoss'),
        # the released MemDPC adds the losses of its two directions, the paper averages them
        direction_reduction='sum' if origin == 'memdpc' else 'mean',
        **common,
    )


def _depth(shapes: dict, source: str) -> int:
    """Depth of the backbone from its number of blocks per stage."""
    stages = {int(stage): 0 for stage in '1234'}
    for key in shapes:
        found = re.match(r'backbone\.layer(\d+)\.(\d+)\.', key)
        if found:
            stages[int(found[1])] = max(stages.get(int(found[1]), 0), int(found[2]) + 1)
    counts = tuple(stages[stage] for stage in sorted(stages))
    is_bottleneck = any(re.match(r'backbone\.layer\d+\.\d+\.conv3\.', key) for key in shapes)
    known = _BOTTLENECK if is_bottleneck else _BASIC
    # the smallest network with all these blocks; the completeness check names missing ones
    for blocks, depth in known.items():
        if len(counts) == len(blocks) and all(have <= want for have, want in zip(counts, blocks)):
            return depth
    raise CheckpointError(
        f'{source} has {counts} {"bottleneck" if is_bottleneck else "basic"} blocks per stage; '
        'supported are ResNet-18 (2, 2, 2, 2), ResNet-34 (3, 4, 6, 3) and ResNet-50 (3, 4, 6, 3 '
        'bottlenecks).'
    )


def _complete(weights: dict, config: dict, parts: tuple, origin: str, source: str) -> list[str]:
    """Compare with the model that the config builds; returns the missing keys that do no harm."""
    try:
        with torch.device('meta'):  # names and shapes only
            wanted = MODELS.build(config).state_dict()
    except ValueError as error:
        raise CheckpointError(
            f'{source} holds no {origin} model that can be built: {error}.'
        ) from None
    wanted = {key: value for key, value in wanted.items() if key.split('.', 1)[0] in parts}
    absent = [key for key in wanted if key not in weights]
    # torch < 0.4.1 did not count batches, and nothing here reads the counter
    harmless = [key for key in absent if key.endswith('.num_batches_tracked')]
    needed = [_official_name(key, origin) for key in absent if key not in harmless]
    if needed:
        raise CheckpointError(
            f'{source} lacks {len(needed)} key{"s" * (len(needed) > 1)} that the model needs: '
            f'{some(needed)}.'
        )
    left = [_official_name(key, origin) for key in weights if key not in wanted]
    if left:
        raise CheckpointError(
            f'{source} has {len(left)} keys that no {origin} model of its kind has: {some(left)}.'
        )
    wrong = [
        f'{_official_name(key, origin)} {tuple(weights[key].shape)} instead of '
        f'{tuple(wanted[key].shape)}'
        for key in wanted
        if key in weights and weights[key].shape != wanted[key].shape
    ]
    if wrong:
        raise CheckpointError(f'{source} contradicts itself: {some(wrong)}.')
    weights.update({key: torch.zeros((), dtype=torch.long) for key in harmless})
    return [_official_name(key, origin) for key in harmless]
