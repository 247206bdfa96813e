"""The classifier on top of a pooled context."""

from __future__ import annotations

import torch
from mmaction.models.heads import BaseHead
from mmaction.registry import MODELS
from torch import nn


@MODELS.register_module()
class ContextHead(BaseHead):
    """(Batch norm,) dropout and one linear layer on a pooled context.

    The papers describe pooling and a linear layer; the released code puts batch norm before it
    (``batch_norm=True``), which matters for the linear probe.

    Args:
        num_classes: Number of classes.
        in_channels: Width D of the context.
        dropout: 0.5 in DPC's code, 0.9 in MemDPC (section 5.3).
        batch_norm: Whether to normalise the context first.
        loss_cls: Config of the classification loss.
        **kwargs: Further arguments of mmaction2's ``BaseHead``.
    """

    def __init__(self,
                 num_classes: int,
                 in_channels: int,
                 dropout: float = 0.5,
                 batch_norm: bool = True,
                 loss_cls: dict | None = None,
                 **kwargs):
        super().__init__(num_classes, in_channels,
                         loss_cls or dict(type='CrossEntropyLoss'), **kwargs)
        self.bn = nn.BatchNorm1d(in_channels) if batch_norm else nn.Identity()
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(in_channels, num_classes)
        nn.init.orthogonal_(self.fc.weight)
        nn.init.zeros_(self.fc.bias)

    def forward(self, x: torch.Tensor, **kwargs) -> torch.Tensor:
        """Class scores ``[B, num_classes]`` of contexts ``[B, in_channels]``."""
        scores = self.fc(self.dropout(self.bn(x)))
        # mmaction2 hands the scores to NumPy, which has no bfloat16.
        return scores.float() if scores.dtype in (torch.float16, torch.bfloat16) else scores
