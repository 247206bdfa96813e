"""The projector between an encoder and a contrast or prediction."""

from __future__ import annotations

import torch
from mmaction.registry import MODELS
from mmengine.model import BaseModule
from torch import nn

from ..heads.predictor import norm_mlp


@MODELS.register_module()
class ProjectionMLP(BaseModule):
    """Two-layer perceptron on pooled features, g of FGKVMemPred section 3.1.

    Args:
        in_channels: Width d of the features.
        out_channels: Width d_proj of the projection.
        hidden_channels: Width of the hidden layer, which has batch norm and ReLU; 4096 in section
            4.1.
        out_norm: Batch norm without scale and shift on the projection as well, as in SimCLR's
            code: the projections of a batch then have no direction in common.
        init_cfg: mmengine's initialisation config.
    """

    def __init__(
        self,
        in_channels: int = 512,
        out_channels: int = 256,
        hidden_channels: int = 4096,
        out_norm: bool = False,
        init_cfg: dict | None = None,
    ):
        super().__init__(init_cfg)
        self.in_channels, self.out_channels = in_channels, out_channels
        self.mlp = norm_mlp(in_channels, hidden_channels, out_channels)
        if out_norm:
            self.mlp.append(nn.BatchNorm1d(out_channels, affine=False))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Project ``[B, in_channels]`` to ``[B, out_channels]``."""
        return self.mlp(features)
