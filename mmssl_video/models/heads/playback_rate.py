"""SSTL's auxiliary task: how fast is this clip played?"""

from __future__ import annotations

import torch
from mmaction.registry import MODELS
from mmengine.model import BaseModule
from torch import nn


@MODELS.register_module()
class PlaybackRateHead(BaseModule):
    """Two linear layers with a ReLU between them on the flattened last map (section 3.2).

    Args:
        in_features: Numbers in the map of a clip, C * t * h * w; 512 * 2 * 4 * 4 for the R3D-18 of
            SSTL and 16 frames at 112 x 112.
        hidden_channels: Width between the two; the paper gives none.
        init_cfg: mmengine's initialisation config.
    """

    def __init__(
        self, in_features: int = 16384, hidden_channels: int = 512, init_cfg: dict | None = None
    ):
        super().__init__(init_cfg)
        self.in_features = in_features
        self.mlp = nn.Sequential(
            nn.Linear(in_features, hidden_channels),
            nn.ReLU(inplace=True),
            nn.Linear(hidden_channels, 1),
        )
        nn.init.constant_(self.mlp[2].get_parameter('bias'), 1.0)  # the undistorted rate

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Playback rates ``[B]`` from maps ``[B, C, t, h, w]``.

        Raises:
            ValueError: The maps are of another size.
        """
        rows = maps.flatten(1)
        if rows.shape[1] != self.in_features:
            raise ValueError(
                f'the map of a clip, {list(maps.shape[1:])}, has {rows.shape[1]} '
                f'numbers but model.rate_head.in_features is {self.in_features}: set '
                f'model.rate_head.in_features={rows.shape[1]}'
            )
        return self.mlp(rows)[:, 0]
