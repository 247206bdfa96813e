"""How fast a clip is played shall be told: SSTL's third term."""

from __future__ import annotations

import torch
from mmaction.registry import MODELS

from .precision import at_least_float32
from .weighted import WeightedLoss, refuse_shapes


@MODELS.register_module()
class PlaybackRateLoss(WeightedLoss):
    """Half the squared error of the playback rate (SSTL section 3.2), averaged over clips.

    Args:
        weight: lambda_spd of Eq. (6); 0.1 in the paper.
    """

    label = 'error'

    def __init__(self, weight: float = 0.1):
        super().__init__(weight)

    def forward(self, predicted, target, **context):
        """See :meth:`WeightedLoss.forward`.

        Args:
            predicted: s of a :class:`PlaybackRateHead`, ``[B]``.
            target: Rate p that each clip was drawn with, ``[B]``.

        Returns:
            The loss; and ``rate/error``, the mean absolute error.

        Raises:
            ValueError: For other shapes.
        """
        refuse_shapes('PlaybackRateLoss', '[B]', predicted, target, (1,))
        with torch.autocast(predicted.device.type, enabled=False):
            rate = at_least_float32(target)
            error = predicted.to(rate.dtype) - rate
            return error.square().mean() / 2, {'rate/error': error.detach().abs().mean()}
