"""What all losses share: a weight, and one shape."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from typing import Any

import torch
from torch import nn


class WeightedLoss(nn.Module, metaclass=ABCMeta):
    """A term of a method's loss, in a slot of ``model.losses``: ``dict(type=…, weight=…, …)``.

    A subclass writes :meth:`forward` and registers itself in ``MODELS``; it then takes the place
    of any other in a config. It is given what is predicted and what it shall resemble, and by name
    whatever else the slot's method knows (SSTL: the videos of the clips, its memory bank); what it
    does not need it leaves in ``**context``. The weight is no business of :meth:`forward`: the
    recognizer multiplies, logs ``loss_<slot>`` weighted, and builds no loss of weight 0.

    Args:
        weight: Factor of the term, at least 0.

    Raises:
        ValueError: For a negative weight.
    """

    #: What its value is called in a log beside the other figures. Never with "loss" in it: mmengine
    #: adds up whatever has that in its name.
    label = 'value'
    #: Whether predictions are told from negatives, so that ``top1`` and its chance mean something.
    contrasts = False
    #: Whether the targets of all processes are compared.
    gather = False
    #: Whether it compares with cells of a memory bank, which the method then needs.
    reads_bank = False

    def __init__(self, weight: float = 1.0):
        super().__init__()
        if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not weight >= 0:
            raise ValueError(
                f'the weight of {type(self).__name__} must be a number of at least 0, '
                f'not {weight!r}'
            )
        self.weight = weight

    @abstractmethod
    def forward(
        self, predicted: torch.Tensor, target: torch.Tensor, **context: Any
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Compare; in float32 at least, whatever the autocast mode.

        Args:
            predicted: What was predicted, rows of a batch first.
            target: What it shall resemble, of the same shape.
            context: What else the method knows, by name.

        Returns:
            The loss before the weight, a scalar with gradient; and detached scalars worth
            watching, by name.
        """


def refuse_shapes(
    name: str, wanted: str, predicted: torch.Tensor, target: torch.Tensor, dims: tuple[int, ...]
) -> None:
    """See whether two tensors are of one shape and of as many dimensions as a loss takes.

    Raises:
        ValueError: They are not.
    """
    if predicted.shape != target.shape or predicted.ndim not in dims:
        raise ValueError(
            f'{name}: predictions and targets must both be {wanted}, got '
            f'{tuple(predicted.shape)} and {tuple(target.shape)}'
        )
