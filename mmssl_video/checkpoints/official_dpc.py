"""The checkpoints of the DPC and MemDPC authors, brought into our layout.

Everything about the network is read off the shapes of the weights, so files of any depth, width,
number of memory slots, GRU layers and classes convert. What weights cannot tell (number of blocks
and predicted steps) are arguments.
"""

from __future__ import annotations

import re

import torch

from .conversion import Adapter, Conversion, complete
from .io import CheckpointError, some, state_dict_of

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


def convert(
    given: dict[str, torch.Tensor],
    origin: str,
    target: str | None,
    num_blocks: int,
    pred_steps: int,
    source: str,
) -> Conversion:
    """Convert weights of a released model; see :func:`.official.convert_official`."""
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
    missing = complete(
        weights, model, parts, origin, source, lambda key: _official_name(key, origin)
    )
    return Conversion(weights, model, target, used, ignored, missing)


def pipeline(num_blocks: int, size: int) -> list[dict]:
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
    cells = {key.split('.', 1)[0] for key in given if key.startswith('agg')}
    other = 'memdpc' if origin == 'dpc' else 'dpc'
    if cells and not cells & set(directions):
        hint = f'; it looks like --from {other}' if cells & set(_DIRECTIONS[other]) else ''
        raise CheckpointError(
            f'{source} is not a {origin} checkpoint: its aggregation is called '
            f'{", ".join(sorted(cells))}, not {", ".join(directions)}{hint}.'
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
    match = re.fullmatch(
        r'(\w+)\.(?:ConvGRUCell_|(cell_list)\.)(\d+)\.((?:reset|update|out)_gate\.(?:weight|bias))',
        key,
    )
    if match and match[1] in _DIRECTIONS[origin]:
        ours = f'neck.{_DIRECTIONS[origin][match[1]]}.{int(match[3])}.{match[4]}'
        return ours, match[2] is not None
    for old, new in _RENAMED.items():
        if (key == old == 'mb' and origin == 'memdpc') or (
            key.startswith(f'{old}.') and old != 'mb'
        ):
            return new + key[len(old) :], False
    return None, False


def _official_name(key: str, origin: str) -> str:
    """Inverse of :func:`_our_name`, for messages."""
    for old, new in _DIRECTIONS[origin].items():
        match = re.fullmatch(rf'neck\.{new}\.(\d+)\.(.*)', key)
        if match:
            return f'{old}.ConvGRUCell_{int(match[1]):02d}.{match[2]}'
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
        int(match[1])
        for match in (re.match(r'neck\.\w+_cells\.(\d+)\.', key) for key in shapes)
        if match
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
        losses=dict(prediction=dict(type='DenseInfoNCELoss')),
        # the released MemDPC adds the losses of its two directions, the paper averages them
        direction_reduction='sum' if origin == 'memdpc' else 'mean',
        **common,
    )


def _depth(shapes: dict, source: str) -> int:
    """Depth of the backbone from its number of blocks per stage."""
    stages = {int(stage): 0 for stage in '1234'}
    for key in shapes:
        match = re.match(r'backbone\.layer(\d+)\.(\d+)\.', key)
        if match:
            stages[int(match[1])] = max(stages.get(int(match[1]), 0), int(match[2]) + 1)
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


def _adapter(origin):
    def read(checkpoint, target, num_blocks, pred_steps, source, stem_pool):
        if stem_pool is not None:
            raise CheckpointError(
                f'{source}: --stem-pool is for Slow-R18 of FGKVMemPred, not {origin}.'
            )
        given = state_dict_of(checkpoint, source)
        return convert(given, origin, target, num_blocks, pred_steps, source)

    def frames(conversion, checkpoint, num_blocks, size, source):
        return pipeline(num_blocks, size or 128)

    return Adapter(read, frames)


DPC, MEMDPC = _adapter('dpc'), _adapter('memdpc')
