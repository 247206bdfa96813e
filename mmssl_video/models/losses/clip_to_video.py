"""Each clip shall resemble its video: SSTL's second term."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmaction.registry import MODELS

from .precision import at_least_float32
from .weighted import WeightedLoss, refuse_shapes


@MODELS.register_module()
class ClipToVideoLoss(WeightedLoss):
    """One minus the cosine of a clip and its video, Eq. (5) of SSTL.

    Args:
        weight: lambda_video of Eq. (6); 0.2 in the paper.
    """

    label = 'distance'

    def __init__(self, weight: float = 0.2):
        super().__init__(weight)

    def forward(self, predicted, target, **context):
        """See :meth:`WeightedLoss.forward`.

        Args:
            predicted: Features h of clips, ``[B, D]``.
            target: What is known of their videos (the mean of each one's row of a memory bank),
                ``[B, D]``, without gradient; 0 where nothing is known of a video yet.

        Returns:
            The mean over all clips, where clips of unknown videos count as 0; and
            ``video/cosine``, the mean over the others, and ``video/known``, their share.

        Raises:
            ValueError: For other shapes.
        """
        refuse_shapes('ClipToVideoLoss', '[B, D]', predicted, target, (2,))
        with torch.autocast(predicted.device.type, enabled=False):
            known = (target != 0).any(1)
            rows = at_least_float32(predicted)
            cosine = F.cosine_similarity(rows, target.to(rows.dtype), dim=1)
            loss = ((1 - cosine) * known).mean()
            share = known.to(cosine.dtype).mean()
            mean = (cosine.detach() * known).mean() / share.clamp(min=1 / (2 * len(known)))
            return loss, {'video/cosine': mean, 'video/known': share}
