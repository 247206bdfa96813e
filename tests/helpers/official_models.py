"""State dicts and files in the layout of the DPC and MemDPC authors, with reproducible weights.

``fill`` and ``draw_input`` restate the rule by which the reference figures were made: each tensor
comes from its name, through NumPy's frozen ``RandomState`` stream.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np
import torch

DATA = Path(__file__).resolve().parents[1] / 'data' / 'parity'
SHAPES = json.loads((DATA / 'state_dict_shapes.json').read_text())
COUNTERS = ('num_batches_tracked', 'ptr', 'iter')
STATISTICS = ('running_mean', 'running_var', 'num_batches_tracked')
GATES = ('reset_gate', 'update_gate', 'out_gate')


def fill(name: str, shape, salt: str = '') -> np.ndarray:
    """The value of the official tensor ``name``: float32, or zeros (int64) for counters."""
    kind = name.split('.')[-1]
    if kind in COUNTERS:
        return np.zeros(shape, np.int64)
    stream = np.random.RandomState(zlib.crc32(f'{salt}{name}'.encode()))
    normal = np.asarray(stream.standard_normal(tuple(shape)))
    if kind == 'weight_g':
        value = np.ones(shape)
    elif kind == 'running_var':
        value = 1 + 0.2 * abs(normal)
    elif kind in ('bias', 'running_mean', 'center'):
        value = 0.1 * normal
    elif kind in ('mb', 'cross_mem', 'source_mem', 'target_mem', 'queue_x', 'memory'):
        value = normal
    elif kind == 'weight' and len(shape) == 1:
        value = 1 + 0.1 * normal
    else:
        value = normal * np.sqrt(2 / np.prod(shape[1:], dtype=int))
    return value.astype(np.float32)


def draw_input(seed: int, shape) -> torch.Tensor:
    """Standard normal input, rounded to float32 and given in float64."""
    normal = np.random.RandomState(seed).standard_normal(tuple(shape)).astype(np.float32)
    return torch.from_numpy(normal).double()


def backbone_shapes(depth: int, running_stats: bool) -> dict[str, tuple]:
    shapes = SHAPES[f'dpc_resnet{depth}_2d3d_full']
    return {
        key: tuple(shape)
        for key, shape in shapes.items()
        if running_stats or not key.endswith(STATISTICS)
    }


def gru_shapes(in_channels: int, hidden: int, num_layers: int = 1, kernel: int = 1) -> dict:
    """Both names of every cell, as the authors' ConvGRU registers them."""
    shapes = {}
    for cell in ('ConvGRUCell_{:02d}', 'cell_list.{}'):
        for layer in range(num_layers):
            width = (in_channels if layer == 0 else hidden) + hidden
            for gate in GATES:
                name = f'{cell.format(layer)}.{gate}'
                shapes[f'{name}.weight'] = (hidden, width, kernel, kernel)
                shapes[f'{name}.bias'] = (hidden,)
    return shapes


def model_shapes(
    origin: str,
    depth: int = 18,
    num_classes: int | None = None,
    num_slots: int = 1024,
    running_stats: bool | None = None,
    num_layers: int = 1,
    kernel: int = 1,
) -> dict[str, tuple]:
    """Shapes of a whole released model, without ``module.``; a classifier with ``num_classes``."""
    if running_stats is None:
        running_stats = origin == 'memdpc' or num_classes is not None
    width = 1024 if depth == 50 else 256
    directions = ('agg',) if origin == 'dpc' else ('agg_f', 'agg_b')
    shapes = {f'backbone.{k}': v for k, v in backbone_shapes(depth, running_stats).items()}
    for direction in directions:
        gru = gru_shapes(width, width, num_layers, kernel)
        shapes.update({f'{direction}.{k}': v for k, v in gru.items()})
    if num_classes is not None:
        context = width * len(directions)
        for name in ('weight', 'bias', 'running_mean', 'running_var'):
            shapes[f'final_bn.{name}'] = (context,)
        shapes['final_bn.num_batches_tracked'] = ()
        shapes['final_fc.1.weight'] = (num_classes, context)
        shapes['final_fc.1.bias'] = (num_classes,)
        return shapes
    out = width if origin == 'dpc' else num_slots
    shapes['network_pred.0.weight'], shapes['network_pred.0.bias'] = (width, width, 1, 1), (width,)
    shapes['network_pred.2.weight'], shapes['network_pred.2.bias'] = (out, width, 1, 1), (out,)
    if origin == 'memdpc':
        shapes['mb'] = (num_slots, width)
    return shapes


def first_name(key: str) -> str:
    """The first of the two names of a GRU cell's tensor: the one that fills it."""
    head, alias, tail = key.partition('cell_list.')
    if not alias:
        return key
    layer, _, rest = tail.partition('.')
    return f'{head}ConvGRUCell_{int(layer):02d}.{rest}'


def filled(shapes: dict, salt: str = '', standalone: str = '') -> dict[str, torch.Tensor]:
    """Tensors of a model; ``standalone`` parts are filled by their names without that prefix."""
    weights = {}
    for key, shape in shapes.items():
        name = first_name(key)
        if standalone and name.startswith(standalone):
            name = name[len(standalone) :]
        weights[key] = torch.from_numpy(np.asarray(fill(name, shape, salt)))
    return weights


def save_official(weights: dict, path: Path, origin: str) -> Path:
    """Write the container of the released training code, in the format of torch before 1.6."""
    prefix = 'module.' if origin == 'dpc' else ''
    parameters = [torch.nn.Parameter(torch.ones(2))]
    optimizer = torch.optim.Adam(parameters, lr=1e-3, weight_decay=1e-5)
    parameters[0].grad = torch.ones(2)
    optimizer.step()
    checkpoint = dict(
        epoch=7,
        state_dict={prefix + key: value for key, value in weights.items()},
        best_acc=np.float64(0.25),
        optimizer=optimizer.state_dict(),
        iteration=700,
    )
    if origin == 'dpc':
        checkpoint['net'] = 'resnet18'
    torch.save(checkpoint, path, _use_new_zipfile_serialization=False)
    return path
