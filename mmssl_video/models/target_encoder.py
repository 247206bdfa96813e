"""Momentum encoders: copies without gradient that follow the online parts."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable

import torch
from mmaction.models.recognizers import BaseRecognizer
from torch import nn


def target_copy(module: nn.Module) -> nn.Module:
    """A copy of a part that gets no gradient, to be moved by :func:`follow`."""
    return copy.deepcopy(module).requires_grad_(False)


@torch.no_grad()
def follow(pairs: Iterable[tuple[nn.Module, nn.Module]], momentum: float) -> None:
    """``theta_m <- momentum theta_m + (1 - momentum) theta`` (FGKVMemPred section 3.1); 0 copies.

    Only parameters are averaged: in training the target's batch norm uses the statistics of its
    own batch.

    Args:
        pairs: Online part and target, part by part.
        momentum: m, 0 to 1.
    """
    for online, target in pairs:
        for new, old in zip(online.parameters(), target.parameters()):
            old.lerp_(new, 1 - momentum)


def momentum_at(progress: float, base: float) -> float:
    """Momentum on its way from ``base`` to 1 along half a cosine (BYOL; FGKVMemPred section 4.1).

    Args:
        progress: Share of the training that is done, 0 to 1.
        base: Momentum at the start.
    """
    return 1 - (1 - base) * (math.cos(math.pi * progress) + 1) / 2


def check_momentum(value: float) -> float:
    """A base momentum that makes sense, as it is.

    Raises:
        ValueError: It does not lie in [0, 1].
    """
    if not 0 <= value <= 1:
        raise ValueError(f'model.base_momentum must lie in [0, 1], not {value!r}')
    return value


class MomentumTarget(BaseRecognizer):
    """Mixin of a method with a momentum encoder, before :class:`SelfSupervisedRecognizer`.

    The target begins as a copy of the online encoder, whatever was loaded, and moves after each
    optimizer step. The momentum is that of the first batch that went into the step, so the target
    of an iteration is what the released code of FGKVMemPred updates at its beginning, and
    accumulated parts of a batch act like the batch.

    A method sets ``base_momentum`` and ``momentum`` (of the last update; what the log shows) and
    gives :meth:`target_pairs`.
    """

    base_momentum: float
    momentum: float

    def target_pairs(self) -> Iterable[tuple[nn.Module, nn.Module]]:
        """Each online part and the target that follows it; none where there is no target."""
        raise NotImplementedError(f'{type(self).__name__} does not say which parts follow which')

    def init_weights(self) -> None:
        """Initialise all weights; the target begins as a copy."""
        super().init_weights()
        self.update_target(0.0)

    def update_target(self, momentum: float) -> None:
        """Move the target, see :func:`follow`; 0 copies."""
        self.momentum = momentum
        follow(self.target_pairs(), momentum)

    def before_training(self, run) -> None:
        """Copy the online encoder at the very start; know the momentum that a resumed run logs."""
        super().before_training(run)
        if run.iteration == 0:
            self.update_target(0.0)
        self.momentum = momentum_at(run.progress, self.base_momentum)

    def after_step(self, progress: float) -> None:
        """Move the target."""
        super().after_step(progress)
        self.update_target(momentum_at(progress, self.base_momentum))
