"""MemDPC's predictor: a convex combination of learned memory slots."""

from __future__ import annotations

import torch
from mmaction.registry import MODELS
from torch import nn

from .predictor import Predictor, orthogonal_mlp
from .slot_usage import SlotUsage


@MODELS.register_module()
class CompressiveMemory(Predictor):
    """Addresses a memory with the context and reads the expected slot, Eq. (3) and (4) of MemDPC.

    ``p = softmax(phi(c))`` over the slots and ``z_hat = p M``: every prediction lies in the convex
    hull of the slots, and several futures stay possible at once.

    Args:
        in_channels: Channels of the context.
        out_channels: Channels C of a slot and of the prediction.
        num_slots: Number of slots k (512, 1024 and 2048 in Table 1).
        hidden_channels: Width of phi's hidden layer; default ``in_channels``.
        init_gain: Gain of phi's orthogonal initialisation (0.1 as in the released code).
        usage_momentum: Momentum of the running mean of p, from which the usage is reported.
        init_cfg: mmengine's initialisation config.

    Raises:
        ValueError: For fewer than 2 slots.
    """

    def __init__(
        self,
        in_channels: int = 256,
        out_channels: int = 256,
        num_slots: int = 1024,
        hidden_channels: int | None = None,
        init_gain: float = 0.1,
        usage_momentum: float = 0.99,
        init_cfg: dict | None = None,
    ):
        super().__init__(in_channels, out_channels, init_cfg)
        if num_slots < 2:
            raise ValueError(f'predictor.num_slots must be at least 2, not {num_slots}')
        self.num_slots = num_slots
        self.mlp = orthogonal_mlp(in_channels, hidden_channels or in_channels, num_slots, init_gain)
        self.memory = nn.Parameter(torch.randn(num_slots, out_channels))
        self.usage = SlotUsage(num_slots, usage_momentum)

    def address(self, context: torch.Tensor) -> torch.Tensor:
        """Probability of each slot, Eq. (3): ``[..., in_channels]`` to ``[..., num_slots]``."""
        probability = self.mlp(context).softmax(-1)
        self.usage(probability)
        return probability

    @property
    def slots(self) -> torch.Tensor:
        """M, ``[num_slots, out_channels]``."""
        return self.memory

    def addresses(self, context: torch.Tensor) -> torch.Tensor:
        """See :meth:`address`."""
        return self.address(context)

    def predict(self, context: torch.Tensor) -> torch.Tensor:
        return self.address(context) @ self.memory

    def statistics(self) -> dict[str, torch.Tensor]:
        """See :meth:`SlotUsage.statistics`."""
        return self.usage.statistics('memory')
