"""The predictor of DPC and of BYOL: a two-layer perceptron."""

from __future__ import annotations

import torch
from mmaction.registry import MODELS

from .predictor import Predictor, norm_mlp, orthogonal_mlp, run_rows


@MODELS.register_module()
class MLPPredictor(Predictor):
    """``z_hat = phi(c)``, Eq. (3) and (4) of DPC; shared by all positions of a map.

    With ``batch_norm`` it is the MLP of Eq. (1) of FGKVMemPred, the predictor of BYOL.

    Args:
        in_channels: Channels of the context.
        out_channels: Channels of the prediction.
        hidden_channels: Width of the hidden layer; default ``in_channels``. FGKVMemPred section
            4.1 has 4096.
        init_gain: Gain of the orthogonal initialisation (without ``batch_norm``).
        batch_norm: Batch norm between the layers, and their Xavier initialisation.
        init_cfg: mmengine's initialisation config.
    """

    def __init__(
        self,
        in_channels: int = 256,
        out_channels: int = 256,
        hidden_channels: int | None = None,
        init_gain: float = 1.0,
        batch_norm: bool = False,
        init_cfg: dict | None = None,
    ):
        super().__init__(in_channels, out_channels, init_cfg)
        hidden_channels = hidden_channels or in_channels
        self.mlp = (
            norm_mlp(in_channels, hidden_channels, out_channels)
            if batch_norm
            else orthogonal_mlp(in_channels, hidden_channels, out_channels, init_gain)
        )

    def predict(self, context: torch.Tensor) -> torch.Tensor:
        return run_rows(self.mlp, context)
