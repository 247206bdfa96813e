"""The smallest config of each registered method, predictor and loss, for the contract test.

A new part is entered here, or the contract test fails and names it. Configs are as small as the
parts allow; what samples must hold comes from the method's own ``needs``.
"""

from __future__ import annotations

import numpy as np
import torch
from mmaction.structures import ActionDataSample

_R3D = dict(type='VideoResNet', depth=10, base_channels=4, stem_pool=True)
_PROJECTOR = dict(type='ProjectionMLP', in_channels=32, hidden_channels=10, out_channels=8)

#: ``model`` config by method, without its losses: those are the method's own.
METHODS = dict(
    BYOL=dict(
        type='BYOL',
        backbone=_R3D,
        projector=_PROJECTOR,
        predictor=dict(type='MLPPredictor', in_channels=8, out_channels=8, batch_norm=True),
        concepts=dict(
            type='ConceptDictionaries', in_channels=8, feature_channels=32, num_concepts=9
        ),
        base_momentum=0.5,
    ),
    DensePredictiveCoding=dict(
        type='DensePredictiveCoding',
        backbone=dict(type='ResNet2d3d', depth=18, base_channels=4),
        neck=dict(type='ConvGRU', in_channels=16, hidden_channels=16, dropout=0.0),
        predictor=dict(type='MLPPredictor', in_channels=16, out_channels=16),
        num_blocks=4,
        pred_steps=2,
        target='momentum',
        base_momentum=0.5,
    ),
    SSTL=dict(
        type='SSTL',
        backbone=_R3D,
        projector=_PROJECTOR,
        bank=dict(type='TemporalMemoryBank', dim=8),
        rate_head=dict(type='PlaybackRateHead', in_features=32, hidden_channels=8),
    ),
)

#: Settings by predictor beside ``in_channels`` and ``out_channels``.
PREDICTORS = dict(
    CompressiveMemory=dict(num_slots=6),
    KeyValueMemory=dict(num_slots=6),
    MLPPredictor=dict(),
)

#: Shapes by loss that its predictions and targets may have.
LOSSES = dict(
    ClipContrastLoss=[(5, 6)],
    ClipToVideoLoss=[(5, 6)],
    ConceptAlignmentLoss=[(5, 6)],
    ConceptReconstructionLoss=[(2, 5, 6)],
    CosinePredictionLoss=[(5, 6), (3, 2, 6, 2, 2)],
    DenseInfoNCELoss=[(3, 2, 6, 2, 2)],
    PlaybackRateLoss=[(5,)],
)

#: A meta value of the sample of a number, by key.
META = dict(
    sample_idx=lambda number: number,
    temporal_position=lambda number: np.array([0.1, 0.8]),
    playback_rate=lambda number: np.array([1.0, 1.25], dtype=np.float32),
)


def batch_for(needs, count: int = 4, seed: int = 0) -> tuple[torch.Tensor, list]:
    """Inputs ``[count, N, 3, 8, 32, 32]`` and data samples as a method needs them."""
    generator = torch.Generator().manual_seed(seed)
    number = needs.num_blocks or needs.num_clips or 1
    samples = []
    for index in range(count):
        sample = ActionDataSample()
        sample.set_metainfo({key: META[key](index) for key in needs.keys})
        samples.append(sample)
    return torch.randn(count, number, 3, 8, 32, 32, generator=generator), samples
