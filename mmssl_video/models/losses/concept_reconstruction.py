"""Features shall be rebuilt from concept codes: FGKVMemPred's second term."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmaction.registry import MODELS

from .precision import at_least_float32
from .weighted import WeightedLoss, refuse_shapes


@MODELS.register_module()
class ConceptReconstructionLoss(WeightedLoss):
    """Distance of features and what the dictionaries make of their codes, Eq. (6) of FGKVMemPred.

    Args:
        weight: alpha of Eq. (9): 0.01 in the paper, 0.1 as released.
        distance: ``'l2'``: squared distance (Eq. 6); ``'cosine'``: 1 - cos as released.
        average: ``'batch'``: mean over clips; ``'elements'``: divided by the width of the features
            as well, as released.
        shares: Factors of the online and of the target features' reconstructions beside the
            weight.

    Raises:
        ValueError: For an unknown distance or average, or other than two shares.
    """

    label = 'distance'

    def __init__(
        self,
        weight: float = 0.01,
        distance: str = 'l2',
        average: str = 'batch',
        shares: Sequence[float] = (1.0, 1.0),
    ):
        super().__init__(weight)
        for name, value, choices in (
            ('distance', distance, ('l2', 'cosine')),
            ('average', average, ('batch', 'elements')),
        ):
            if value not in choices:
                raise ValueError(
                    f'ConceptReconstructionLoss.{name} must be one of {choices}, got {value!r}'
                )
        if len(shares) != 2 or min(shares) < 0:
            raise ValueError(
                'ConceptReconstructionLoss.shares must be two numbers of at least 0, '
                f'got {shares!r}'
            )
        self.distance, self.average, self.shares = distance, average, tuple(shares)

    def _distance(self, rebuilt, features):
        if self.distance == 'l2':
            loss = (rebuilt - features).square().sum(1).mean()
        else:
            loss = (1 - F.cosine_similarity(rebuilt, features, dim=1)).mean()
        return loss / features.shape[1] if self.average == 'elements' else loss

    def forward(self, predicted, target, **context):
        """See :meth:`WeightedLoss.forward`.

        Args:
            predicted: What the dictionaries rebuilt, of the online and of the target encoder's
                clips, ``[2, B, d]``.
            target: Their features y, of the same shape; no gradient flows into them.

        Returns:
            The sum of both distances with their shares; and each, ``concepts/recon_online`` and
            ``concepts/recon_target``.

        Raises:
            ValueError: For other shapes.
        """
        refuse_shapes('ConceptReconstructionLoss', '[2, B, d]', predicted, target, (3,))
        with torch.autocast(predicted.device.type, enabled=False):
            pairs = zip(at_least_float32(predicted), at_least_float32(target.detach()))
            online, goal = (self._distance(*pair) for pair in pairs)
            loss = self.shares[0] * online + self.shares[1] * goal
        return loss, {
            'concepts/recon_online': online.detach(),
            'concepts/recon_target': goal.detach(),
        }
