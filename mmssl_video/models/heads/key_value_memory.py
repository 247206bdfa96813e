"""FGKVMemPred's predictor: keys are addressed by cosine, values are read."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmaction.registry import MODELS
from torch import nn

from ..losses.precision import at_least_float32
from .predictor import Predictor, norm_mlp, run_rows
from .slot_usage import SlotUsage


@MODELS.register_module()
class KeyValueMemory(Predictor):
    """Reads the values of the memory slots whose keys resemble the query (FGKVMemPred section 3.2).

    ``alpha_i = softmax_i(r cos(M_src_i, phi(z)))`` (Eq. 2) and ``z' = alpha M_tgt`` (Eq. 3). The
    keys store what the online encoder gives, the values what the target encoder gives, so a
    prediction is distributed as the targets are.

    Args:
        in_channels: Width of the context or projection z.
        out_channels: Width of a value and of the prediction.
        num_slots: Number N of slots; 4096 in section 4.1.
        key_channels: Width of phi's output, d_mem for a single head; default ``in_channels``.
        hidden_channels: Width of phi's hidden layer; default ``in_channels``.
        scale: Scaling factor r of Eq. 2: 64 in the paper, 16 in every released config.
        heads: Addresses per query, as in the released code: the slots are dealt out to the heads,
            phi gives each head its own query of ``key_channels / heads``, and what the heads read,
            ``out_channels / heads`` each, is concatenated. 1 is the paper's.
        usage_momentum: Momentum of the running mean of alpha, from which the usage is reported.
        init_cfg: mmengine's initialisation config.

    Raises:
        ValueError: For fewer than 2 slots a head, a scale that is not positive, or heads that do
            not divide slots and widths.
    """

    def __init__(
        self,
        in_channels: int = 256,
        out_channels: int = 256,
        num_slots: int = 4096,
        key_channels: int | None = None,
        hidden_channels: int | None = None,
        scale: float = 64.0,
        heads: int = 1,
        usage_momentum: float = 0.99,
        init_cfg: dict | None = None,
    ):
        super().__init__(in_channels, out_channels, init_cfg)
        key_channels = key_channels or in_channels
        if not scale > 0:
            raise ValueError(f'predictor.scale must be positive, not {scale!r}')
        for name, value in (
            ('num_slots', num_slots),
            ('key_channels', key_channels),
            ('out_channels', out_channels),
        ):
            if heads < 1 or value % heads:
                raise ValueError(
                    f'predictor.heads={heads} must be at least 1 and divide '
                    f'predictor.{name}={value}'
                )
        if num_slots < 2 * heads:
            raise ValueError(
                'predictor.num_slots must be at least 2 for each head, not '
                f'{num_slots} for heads={heads}'
            )
        self.num_slots, self.scale, self.heads = num_slots, float(scale), heads
        self.phi = norm_mlp(in_channels, hidden_channels or in_channels, key_channels)
        self.keys = nn.Parameter(torch.empty(num_slots, key_channels // heads))
        nn.init.kaiming_uniform_(self.keys, a=5**0.5)  # as torch's linear layers begin
        self.values = nn.Parameter(torch.empty(num_slots, out_channels // heads))
        nn.init.trunc_normal_(self.values, std=0.02)
        self.usage = SlotUsage(num_slots, usage_momentum)

    def address(self, context: torch.Tensor) -> torch.Tensor:
        """Knowledge relevance of each slot, Eq. (2).

        Args:
            context: ``[..., in_channels]``.

        Returns:
            ``[..., heads, num_slots / heads]``, rows sum to 1.
        """
        query = run_rows(self.phi, context).unflatten(-1, (self.heads, -1))
        keys = self.keys.unflatten(0, (self.heads, -1))
        with torch.autocast(query.device.type, enabled=False):  # r is large: 16 bits are too few
            query, keys = (F.normalize(at_least_float32(rows), dim=-1) for rows in (query, keys))
            probability = (self.scale * torch.einsum('...hd,hnd->...hn', query, keys)).softmax(-1)
        self.usage(probability.flatten(-2) / self.heads)
        return probability

    @property
    def slots(self) -> torch.Tensor:
        """The values, ``[num_slots, out_channels / heads]``."""
        return self.values

    def addresses(self, context: torch.Tensor) -> torch.Tensor:
        """Relevance of all slots, shared out among the heads: ``[..., num_slots]``."""
        return self.address(context).flatten(-2) / self.heads

    def predict(self, context: torch.Tensor) -> torch.Tensor:
        values = self.values.unflatten(0, (self.heads, -1))
        return torch.einsum('...hn,hnc->...hc', self.address(context), values).flatten(-2)

    def statistics(self) -> dict[str, torch.Tensor]:
        """See :meth:`SlotUsage.statistics`."""
        return self.usage.statistics('memory')
