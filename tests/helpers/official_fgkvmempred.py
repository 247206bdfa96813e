"""State dicts and files in the layout of the FGKVMemPred authors, with reproducible weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
import yaml

from .official_models import DATA, fill

SHAPES = json.loads((DATA / 'fgkvmempred_shapes.json').read_text())
NETWORKS = ('r3d18', 'r2plus1d', 'slow_r18')
PREDICTOR = 'head.predictors.0.'
# What the released configs say, as far as a conversion reads it.
SETTINGS = dict(
    CONTRASTIVE=dict(T=0.5, MOMENTUM=0.996),
    MEMORY=dict(
        RADIUS=16,
        N_MEMORY=4096,
        N_CONCEPT=4096,
        N_HEAD=1,
        AVERAGE_DIM=-1,
        RECON_LOSS_TYPE='cosine',
        ADDRESS_TYPE='dot',
        LOSS_SOURCE_RECON=0.1,
        LOSS_TARGET_RECON=0.1,
        LOSS_KL=0.01,
        DINO_TEMP_S=0.05,
        DINO_TEMP_T=0.05,
        USE_ALIGN=True,
        PREDICT_RESIDUAL=False,
        USE_SPARSE=False,
    ),
    DATA=dict(
        NUM_FRAMES=16, SAMPLING_RATE=4, TRAIN_CROP_SIZE=112, MEAN=[0.45] * 3, STD=[0.225] * 3
    ),
    MODEL=dict(DROPOUT_RATE=0.5, MODIFY_LAST=True),
    RESNET=dict(STEM_FUNC='r3d_stem'),
    SOLVER=dict(
        BASE_LR=1.2,
        MAX_EPOCH=400,
        WARMUP_EPOCHS=35.0,
        WARMUP_START_LR=0.001,
        MOMENTUM=0.9,
        WEIGHT_DECAY=1e-6,
        NESTEROV=True,
    ),
)


def released_settings(config: str, overrides: list[str]) -> dict:
    """The settings of a released config file, by its name, with overrides ``KEY VALUE ...``."""
    settings = {section: dict(values) for section, values in SETTINGS.items()}
    if 'R2plus1D' in config and 'ucf101_pretrain' in config:
        settings['MEMORY']['N_MEMORY'] = 2048
    if 'Slow' in config:
        settings['DATA'].update(NUM_FRAMES=8, SAMPLING_RATE=8, TRAIN_CROP_SIZE=224)
        if 'ucf101_pretrain' not in config:  # Kinetics and downstream
            settings['RESNET']['STEM_FUNC'] = 'basic_stem'
    if 'linear' in config or 'pretrain' in config:
        settings['MODEL']['DROPOUT_RATE'] = 0.0
    words = ' '.join(overrides).split()
    for name, text in zip(words[::2], words[1::2]):
        section, key = name.split('.', 1)
        settings.setdefault(section, {})[key] = yaml.safe_load(text)
    return settings


def network_of(config: str) -> str:
    """Which network a released config trains."""
    return 'r2plus1d' if 'R2plus1D' in config else 'slow_r18' if 'Slow' in config else 'r3d18'


def head_shapes(predictor: str, slots: int, concepts: int, cosine: bool) -> dict[str, tuple]:
    """Projector and predictor; ``predictor`` is ``'memory'`` or ``'mlp'``."""
    shapes = {}
    for key, shape in SHAPES[f'heads_{predictor}'].items():
        name = key[len(PREDICTOR) :] if key.startswith(PREDICTOR) else ''
        count = slots if name.startswith('cross_') else concepts
        shape = tuple(
            count if side == 4096 and name and predictor == 'memory' else side for side in shape
        )
        if cosine and name in ('source_key.weight', 'target_key.weight'):
            shapes[f'{key}_g'] = (concepts, 1)
            key += '_v'
        shapes[key] = shape
    return shapes


def pretraining_shapes(
    network: str,
    predictor: str = 'memory',
    slots: int = 4096,
    concepts: int = 4096,
    cosine: bool = False,
    queue: int = 8,
    videos: int = 20,
) -> dict[str, tuple]:
    """The whole state dict of a pre-training model."""
    encoder = {key: tuple(shape) for key, shape in SHAPES[f'encoder_{network}'].items()}
    one = {**encoder, **head_shapes(predictor, slots, concepts, cosine)}
    return {
        'ptr': (1,),
        'queue_x': (queue, 256),
        'iter': (1,),
        **{f'backbone.{key}': shape for key, shape in one.items()},
        **{f'backbone_hist.{key}': shape for key, shape in one.items()},
        'knn_mem.memory': (videos, 1, 256),
    }


def classifier_shapes(network: str, classes: int = 101) -> dict[str, tuple]:
    encoder = {key: tuple(shape) for key, shape in SHAPES[f'encoder_{network}'].items()}
    return {**encoder, 'head.projection.weight': (classes, 512), 'head.projection.bias': (classes,)}


def filled(shapes: dict, salt: str = '', standalone: str = '') -> dict[str, torch.Tensor]:
    """Tensors by the rule. With ``standalone``, only the keys below it are drawn, by their names
    without it; the others are zeros."""
    weights = {}
    for key, shape in shapes.items():
        if standalone and not key.startswith(standalone):
            is_whole = key.endswith(('num_batches_tracked', 'ptr', 'iter'))
            weights[key] = torch.zeros(shape, dtype=torch.long if is_whole else torch.float)
            continue
        weights[key] = torch.from_numpy(np.asarray(fill(key[len(standalone) :], shape, salt)))
    return weights


def save_official(weights: dict, path: Path, settings: dict | str | None) -> Path:
    """Write the container of the released training code."""
    parameter = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([parameter], lr=1.0, momentum=0.9)
    parameter.grad = torch.ones(2)
    optimizer.step()
    checkpoint = dict(epoch=399, model_state=weights, optimizer_state=optimizer.state_dict())
    if settings is not None:
        checkpoint['cfg'] = settings if isinstance(settings, str) else yaml.safe_dump(settings)
    torch.save(checkpoint, path)
    return path
