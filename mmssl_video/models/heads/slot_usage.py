"""How the slots of a memory are used, watched while training."""

from __future__ import annotations

import torch
from torch import nn


class SlotUsage(nn.Module):
    """Running mean of the address distribution of a memory.

    Only watched, never used, hence no part of a checkpoint.

    Args:
        num_slots: Number of slots.
        momentum: Momentum of the running mean; it starts at the mean of the first batch.
    """

    def __init__(self, num_slots: int, momentum: float = 0.99):
        super().__init__()
        self.momentum = momentum
        self.mean: torch.Tensor
        self.register_buffer('mean', torch.zeros(num_slots), persistent=False)

    @torch.no_grad()
    def forward(self, probability: torch.Tensor) -> None:
        """Take in distributions ``[..., num_slots]``; does nothing outside training."""
        if not self.training:
            return
        mean = probability.flatten(0, -2).mean(0).to(self.mean.dtype)
        is_first = (self.mean.sum() == 0).to(mean.dtype)
        self.mean.lerp_(mean, torch.clamp(is_first, min=1 - self.momentum))

    def statistics(self, name: str) -> dict[str, torch.Tensor]:
        """Usage since training began or was resumed.

        Returns:
            ``<name>/usage_entropy``: entropy of the mean distribution over log(num_slots), 1 when
            all slots are used alike; ``<name>/dead_slots``: share of slots read ten times less
            than that. Nothing outside training, where there is no running mean to speak of.
        """
        if not self.training:
            return {}
        usage, count = self.mean / self.mean.sum(), len(self.mean)
        entropy = torch.special.entr(usage).sum() / torch.log(usage.new_tensor(count))
        return {
            f'{name}/usage_entropy': entropy,
            f'{name}/dead_slots': (usage < 0.1 / count).float().mean(),
        }
