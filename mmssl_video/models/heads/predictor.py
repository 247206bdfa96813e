"""The interface that every predictor keeps, so that any of them runs in any recognizer."""

from __future__ import annotations

from abc import abstractmethod

import torch
from mmengine.model import BaseModule
from torch import nn


class Predictor(BaseModule):
    """Maps a context to a prediction of the target's shape, position by position.

    Args:
        in_channels: Channels of the context.
        out_channels: Channels of the prediction.
        init_cfg: mmengine's initialisation config.
    """

    def __init__(self, in_channels: int, out_channels: int, init_cfg: dict | None = None):
        super().__init__(init_cfg)
        self.in_channels = in_channels
        self.out_channels = out_channels

    @abstractmethod
    def predict(self, context: torch.Tensor) -> torch.Tensor:
        """Map contexts ``[..., in_channels]`` to predictions ``[..., out_channels]``."""

    def forward(self, context: torch.Tensor) -> torch.Tensor:
        """Predict from a pooled context or from a map of contexts.

        Args:
            context: ``[B, in_channels]`` or ``[B, in_channels, H, W]``.

        Returns:
            ``[B, out_channels]`` or ``[B, out_channels, H, W]``.
        """
        return self.predict(context.movedim(1, -1)).movedim(-1, 1)

    @property
    def slots(self) -> torch.Tensor | None:
        """What a memory reads, ``[S, D]``; None where the predictor is no memory."""
        return None

    def addresses(self, context: torch.Tensor) -> torch.Tensor:
        """Probability of each slot for contexts ``[..., in_channels]``: ``[..., S]``.

        Raises:
            ValueError: The predictor is no memory.
        """
        raise ValueError(f'a {type(self).__name__} has no memory slots')

    def statistics(self) -> dict[str, torch.Tensor]:
        """Scalars to watch in training, by name; none by default."""
        return {}


def orthogonal_mlp(
    in_channels: int, hidden_channels: int, out_channels: int, gain: float
) -> nn.Sequential:
    """The two-layer perceptron phi of DPC and MemDPC, orthogonal weights and zero biases."""
    mlp = nn.Sequential(
        nn.Linear(in_channels, hidden_channels),
        nn.ReLU(inplace=True),
        nn.Linear(hidden_channels, out_channels),
    )
    for layer in (mlp[0], mlp[2]):
        nn.init.orthogonal_(layer.get_parameter('weight'), gain)
        nn.init.zeros_(layer.get_parameter('bias'))
    return mlp


def norm_mlp(in_channels: int, hidden_channels: int, out_channels: int) -> nn.Sequential:
    """The two-layer perceptron of FGKVMemPred: linear without bias, BN, ReLU, linear."""
    mlp = nn.Sequential(
        nn.Linear(in_channels, hidden_channels, bias=False),
        nn.BatchNorm1d(hidden_channels),
        nn.ReLU(inplace=True),
        nn.Linear(hidden_channels, out_channels),
    )
    for layer in (mlp[0], mlp[3]):
        nn.init.xavier_uniform_(layer.get_parameter('weight'))
    nn.init.zeros_(mlp[3].get_parameter('bias'))
    return mlp


def run_rows(mlp: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Run a perceptron with batch norm on the last dimension of ``x``, all others as the batch."""
    return mlp(x.flatten(0, -2)).unflatten(0, x.shape[:-1])
