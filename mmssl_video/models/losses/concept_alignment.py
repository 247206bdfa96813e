"""The concepts of two clips of a video shall agree: FGKVMemPred's third term."""

from __future__ import annotations

import torch
from mmaction.registry import MODELS

from .precision import at_least_float32
from .weighted import WeightedLoss, refuse_shapes


@MODELS.register_module()
class ConceptAlignmentLoss(WeightedLoss):
    """Cross entropy of concept distributions, Eq. (7) and (8) of FGKVMemPred, as in DINO.

    The online encoder's distribution follows the target encoder's, which is centred and sharpened.

    Args:
        weight: beta of Eq. (9): 0.01.
        online_temperature: tau_s of Eq. (7).
        target_temperature: tau_t; as the former by default.
        centring: ``'subtract'`` the centre as released and as DINO does, or ``'add'`` it as the
            paper prints, which sharpens what is common instead of removing it.

    Raises:
        ValueError: For an unknown centring, or a temperature that is not positive.
    """

    label = 'cross_entropy'

    def __init__(
        self,
        weight: float = 0.01,
        online_temperature: float = 0.05,
        target_temperature: float | None = None,
        centring: str = 'subtract',
    ):
        super().__init__(weight)
        if centring not in ('subtract', 'add'):
            raise ValueError(
                "ConceptAlignmentLoss.centring must be one of ('subtract', 'add'), "
                f'got {centring!r}'
            )
        if target_temperature is None:
            target_temperature = online_temperature
        if not (online_temperature > 0 and target_temperature > 0):
            raise ValueError(
                'the temperatures of ConceptAlignmentLoss must be positive, got '
                f'{online_temperature!r} and {target_temperature!r}'
            )
        self.online_temperature = online_temperature
        self.target_temperature = target_temperature
        self.centring = centring

    def forward(self, predicted, target, centre: torch.Tensor | None = None, **context):
        """See :meth:`WeightedLoss.forward`.

        Args:
            predicted: Concept codes of the online encoder's clips, ``[B, K]``.
            target: Those of the target encoder's; no gradient flows into them.
            centre: Moving average of the latter, ``[K]``; 0 by default.

        Returns:
            The loss; itself as ``concepts/align``; and ``concepts/entropy``, that of the mean
            online distribution over log(K): 1 when all concepts are used alike.

        Raises:
            ValueError: For other shapes.
        """
        refuse_shapes('ConceptAlignmentLoss', '[B, K]', predicted, target, (2,))
        with torch.autocast(predicted.device.type, enabled=False):
            given, wanted = at_least_float32(predicted), at_least_float32(target.detach())
            if centre is not None:
                wanted = wanted - centre if self.centring == 'subtract' else wanted + centre
            wanted = (wanted / self.target_temperature).softmax(1)
            log_given = (given / self.online_temperature).log_softmax(1)
            loss = -(wanted * log_given).sum(1).mean()
            entropy = torch.special.entr(log_given.detach().exp().mean(0)).sum()
        return loss, {
            'concepts/align': loss.detach(),
            'concepts/entropy': entropy / torch.log(entropy.new_tensor(given.shape[1])),
        }
