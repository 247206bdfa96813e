"""MemDPC's predictor: a convex combination of learned memory slots."""

from __future__ import annotations

import torch
from mmaction.registry import MODELS
from torch import nn

from .predictor import Predictor, orthogonal_mlp


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

    def __init__(self,
                 in_channels: int = 256,
                 out_channels: int = 256,
                 num_slots: int = 1024,
                 hidden_channels: int | None = None,
                 init_gain: float = 0.1,
                 usage_momentum: float = 0.99,
                 init_cfg: dict | None = None):
        super().__init__(in_channels, out_channels, init_cfg)
        if num_slots < 2:
            raise ValueError(f'predictor.num_slots must be at least 2, not {num_slots}')
        self.num_slots = num_slots
        self.usage_momentum = usage_momentum
        self.mlp = orthogonal_mlp(in_channels, hidden_channels or in_channels, num_slots, init_gain)
        self.memory = nn.Parameter(torch.randn(num_slots, out_channels))
        # Running mean of p in training: only watched, never used, hence no part of a checkpoint.
        self.register_buffer('usage', torch.zeros(num_slots), persistent=False)

    def address(self, context: torch.Tensor) -> torch.Tensor:
        """Probability of each slot, Eq. (3): ``[..., in_channels]`` to ``[..., num_slots]``."""
        probability = self.mlp(context).softmax(-1)
        if self.training:
            with torch.no_grad():
                mean = probability.flatten(0, -2).mean(0).to(self.usage.dtype)
                is_first = (self.usage.sum() == 0).to(mean.dtype)
                self.usage.lerp_(mean, torch.clamp(is_first, min=1 - self.usage_momentum))
        return probability

    def predict(self, context: torch.Tensor) -> torch.Tensor:
        return self.address(context) @ self.memory

    def statistics(self) -> dict[str, torch.Tensor]:
        """Usage of the memory, from the running mean of p since training began or was resumed.

        Returns:
            ``memory/usage_entropy``: entropy of the mean p over log(num_slots), 1 when all slots
            are used alike; ``memory/dead_slots``: share of slots read ten times less than that.
            Nothing outside training, where there is no running mean to speak of.
        """
        if not self.training:
            return {}
        usage = self.usage / self.usage.sum()
        entropy = torch.special.entr(usage).sum() / torch.log(usage.new_tensor(self.num_slots))
        return {'memory/usage_entropy': entropy,
                'memory/dead_slots': (usage < 0.1 / self.num_slots).float().mean()}
