"""A prediction shall point where its target points; nothing is contrasted."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmaction.registry import MODELS

from .precision import at_least_float32
from .weighted import WeightedLoss, refuse_shapes


@MODELS.register_module()
class CosinePredictionLoss(WeightedLoss):
    """Negative cosine of predictions and targets: Eq. (1) and (4) of FGKVMemPred, and of BYOL.

    Features lie along axis 1 of vectors ``[B, D]`` and along axis 2 of maps ``[B, P, D, h, w]``,
    where each place of each step is one prediction; the mean over all predictions is taken.

    Without negatives a constant is a perfect answer, so the target must not follow the prediction:
    it comes from a momentum encoder, or at least without gradient.

    Args:
        weight: Factor of the term: 1 in FGKVMemPred, 2 in its released code (1 / T of T = 0.5).
    """

    label = 'cosine'
    _AXES = {2: 1, 5: 2}

    def forward(self, predicted, target, **context):
        """See :meth:`WeightedLoss.forward`.

        Args:
            predicted: ``[B, D]`` or ``[B, P, D, h, w]``.
            target: Of the same shape.

        Returns:
            Minus the mean cosine; and ``cosine/predicted``, the mean cosine itself.

        Raises:
            ValueError: For other shapes.
        """
        refuse_shapes(
            'CosinePredictionLoss', '[B, D] or [B, P, D, h, w]', predicted, target, (2, 5)
        )
        with torch.autocast(predicted.device.type, enabled=False):
            cosine = F.cosine_similarity(
                at_least_float32(predicted),
                at_least_float32(target),
                dim=self._AXES[predicted.ndim],
            ).mean()
        return -cosine, {'cosine/predicted': cosine.detach()}
