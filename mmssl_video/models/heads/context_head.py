"""The classifier on top of a pooled feature: linear, or a small perceptron."""

from __future__ import annotations

import torch
from mmaction.models.heads import BaseHead
from mmaction.registry import MODELS
from torch import nn


@MODELS.register_module()
class ContextHead(BaseHead):
    """(Batch norm,) a hidden layer if asked, dropout and one linear layer on a pooled feature.

    The papers describe pooling and a linear layer; the released code of DPC and MemDPC puts batch
    norm before it (``batch_norm=True``), which matters for the linear probe.

    Args:
        num_classes: Number of classes.
        in_channels: Width D of the feature.
        dropout: Before the last layer: 0.5 in DPC's code and FGKVMemPred, 0.9 in MemDPC
            (section 5.3).
        batch_norm: Whether to normalise the feature first, and the hidden layer before its ReLU.
        hidden_channels: Width of the hidden layer of the non-linear probe (MemDPC section 5.4
            gives no size); None: a linear head.
        loss_cls: Config of the classification loss.
        average_clips: How the views of a video are averaged: ``'prob'`` or ``'score'``.
        **kwargs: Further arguments of mmaction2's ``BaseHead``, e.g. ``label_smooth_eps``.

    Raises:
        ValueError: ``num_classes`` is no whole number of at least 2.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        dropout: float = 0.5,
        batch_norm: bool = True,
        hidden_channels: int | None = None,
        loss_cls: dict | None = None,
        average_clips: str = 'prob',
        **kwargs,
    ):
        if not isinstance(num_classes, int) or num_classes < 2:
            raise ValueError(
                f'cls_head.num_classes must be a whole number of at least 2, not {num_classes!r}'
            )
        super().__init__(
            num_classes,
            in_channels,
            loss_cls or dict(type='CrossEntropyLoss'),
            average_clips=average_clips,
            **kwargs,
        )

        def norm(channels):
            return nn.BatchNorm1d(channels) if batch_norm else nn.Identity()

        self.bn = norm(in_channels)
        self.hidden: nn.Module = nn.Identity()
        if hidden_channels is not None:
            linear = nn.Linear(in_channels, hidden_channels)
            nn.init.kaiming_normal_(linear.weight, nonlinearity='relu')
            nn.init.zeros_(linear.bias)
            self.hidden = nn.Sequential(linear, norm(hidden_channels), nn.ReLU(inplace=True))
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(hidden_channels or in_channels, num_classes)
        nn.init.orthogonal_(self.fc.weight)
        nn.init.zeros_(self.fc.bias)

    def forward(self, x: torch.Tensor, **kwargs) -> torch.Tensor:
        """Class scores ``[B, num_classes]`` of features ``[B, in_channels]``."""
        scores = self.fc(self.dropout(self.hidden(self.bn(x))))
        # mmaction2 hands the scores to NumPy, which has no bfloat16.
        return scores.float() if scores.dtype in (torch.float16, torch.bfloat16) else scores
