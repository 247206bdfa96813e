"""Untrained encoders that belong beside trained ones."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.config import Config
from mmengine.dist import is_main_process

from .encoder import Encoder, build_encoder, norms_of


def random_twins(encoders: Sequence[Encoder], seed: int = 0) -> list[Encoder]:
    """The untrained encoders that belong beside trained ones, two for every architecture.

    One is as initialised; the other (where BatchNorm keeps running statistics) is meant to be
    calibrated, and carries ``bn_batches=None`` until it is. Weights that a config would load from
    elsewhere (``pretrained``, ``init_cfg``) are left out: they would not be random. Where random
    encoders are among those given, or no config tells how to build one, there is none; in the
    latter case a notice says so.

    Args:
        encoders: Encoders that are evaluated.
        seed: Seed of the random weights.
    """
    twins: list[Encoder] = []
    seen: list[dict] = []
    if any(encoder.seed is not None for encoder in encoders):
        return twins
    for encoder in encoders:
        model = encoder.config.get('model')
        if not isinstance(model, dict) or 'type' not in model:
            if is_main_process():
                print(f'note: no random encoder beside {encoder.name}: its config has no model')
            continue
        model = _without_weights(model)
        if model in seen:
            continue
        seen.append(model)
        config = Config(dict(encoder.config.to_dict(), model=model))
        name = 'random' if len(seen) == 1 else f'random (as {encoder.name})'
        twins.append(build_encoder('random', config, seed, encoder.device, name))
        if any(norm.track_running_stats for norm in norms_of(twins[-1].model)):
            twins.append(build_encoder('random', config, seed, encoder.device, name))
            twins[-1].bn_batches = None
    return twins


def _without_weights(config):
    """A model's config without places to load weights from."""
    if isinstance(config, dict):
        # mmaction2's 3D networks inflate 2D weights unless pretrained is None
        return {
            key: None if key == 'pretrained' else _without_weights(value)
            for key, value in config.items()
            if not (key == 'init_cfg' and 'Pretrained' in str(value))
        }
    if isinstance(config, (list, tuple)):
        return type(config)(_without_weights(value) for value in config)
    return config
