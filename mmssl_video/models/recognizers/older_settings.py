"""Settings of older checkpoints in the words of today, where losses are parts of their own.

Each function takes the ``model`` part of a config and gives a new one; what is of today already
stays as it is.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from numbers import Real
from typing import Any


def upgrade_dense_predictive_coding(model: Mapping[str, Any]) -> dict[str, Any]:
    """``loss`` -> ``losses.prediction``."""
    new = dict(model)
    loss = new.pop('loss', None)
    if loss is not None:
        _set(new, 'prediction', **loss)
    return new


def upgrade_byol(model: Mapping[str, Any]) -> dict[str, Any]:
    """``loss_scale`` and the weights, kinds and temperatures in ``concepts`` -> ``losses``."""
    new = dict(model)
    if 'loss_scale' in new:
        _set(new, 'prediction', type='CosinePredictionLoss', weight=new.pop('loss_scale'))
    if new.get('concepts') is None:
        return new
    new['concepts'] = concepts = copy.deepcopy(dict(new['concepts']))
    recon = _renamed(
        concepts, recon_weight='weight', recon_loss='distance', recon_average='average'
    )
    weight = recon.get('weight', 0.0)
    if not isinstance(weight, Real):  # one for each encoder's features
        recon.update(weight=1.0, shares=list(weight))
    if recon:
        _set(new, 'reconstruction', type='ConceptReconstructionLoss', **recon)
    same = {name: name for name in ('online_temperature', 'target_temperature', 'centring')}
    align = _renamed(concepts, align_weight='weight', **same)
    if align:
        _set(new, 'alignment', type='ConceptAlignmentLoss', **align)
    return new


def upgrade_sstl(model: Mapping[str, Any]) -> dict[str, Any]:
    """The weights and what the contrast is made with -> ``losses``."""
    new = dict(model)
    same = {name: name for name in ('temperature', 'num_negatives', 'gather', 'group_size')}
    for slot, kind, names in (
        ('clip', 'ClipContrastLoss', dict(clip_weight='weight', **same)),
        ('video', 'ClipToVideoLoss', dict(video_weight='weight')),
        ('rate', 'PlaybackRateLoss', dict(rate_weight='weight')),
    ):
        settings = _renamed(new, **names)
        if settings:
            _set(new, slot, type=kind, **settings)
    return new


def _renamed(settings: dict[str, Any], **names: str) -> dict[str, Any]:
    """Take settings out, under other names."""
    return {new: settings.pop(old) for old, new in names.items() if old in settings}


def _set(model: dict[str, Any], slot: str, **settings: Any) -> None:
    """Put a loss into a slot; what is there already wins."""
    losses = dict(model.get('losses') or {})
    losses.setdefault(slot, settings)
    model['losses'] = losses
