"""DPC's predictor: a two-layer perceptron."""

from __future__ import annotations

import torch
from mmaction.registry import MODELS

from .predictor import Predictor, orthogonal_mlp


@MODELS.register_module()
class MLPPredictor(Predictor):
    """``z_hat = phi(c)``, Eq. (3) and (4) of DPC; shared by all positions of a map.

    Args:
        in_channels: Channels of the context.
        out_channels: Channels of the prediction.
        hidden_channels: Width of the hidden layer; default ``in_channels``.
        init_gain: Gain of the orthogonal initialisation.
        init_cfg: mmengine's initialisation config.
    """

    def __init__(self,
                 in_channels: int = 256,
                 out_channels: int = 256,
                 hidden_channels: int | None = None,
                 init_gain: float = 1.0,
                 init_cfg: dict | None = None):
        super().__init__(in_channels, out_channels, init_cfg)
        self.mlp = orthogonal_mlp(in_channels, hidden_channels or in_channels, out_channels,
                                  init_gain)

    def predict(self, context: torch.Tensor) -> torch.Tensor:
        return self.mlp(context)
