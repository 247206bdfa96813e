"""Moves a target encoder after the online one."""

from __future__ import annotations

import math

from mmaction.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper


def momentum_at(progress: float, base: float) -> float:
    """Momentum on its way from ``base`` to 1 along half a cosine (BYOL; FGKVMemPred section 4.1).

    Args:
        progress: Share of the training that is done, 0 to 1.
        base: Momentum at the start.
    """
    return 1 - (1 - base) * (math.cos(math.pi * progress) + 1) / 2


@HOOKS.register_module()
class MomentumUpdateHook(Hook):
    """Calls ``model.update_target(momentum)`` once per optimizer step.

    The momentum is that of the iteration just done, so the target encoder of an iteration is what
    the released code updates at its beginning. Under gradient accumulation, iterations without an
    optimizer step leave the target alone, and the momentum is that of the first iteration that
    went into the step: accumulated parts of a batch act like the batch. At the very start of
    training the target becomes a copy of the online encoder, whatever was loaded.

    Raises:
        TypeError: Before training, for a model without a target encoder.
    """

    priority = 'ABOVE_NORMAL'  # before the checkpoint is written

    @staticmethod
    def _model(runner):
        return runner.model.module if is_model_wrapper(runner.model) else runner.model

    @staticmethod
    def _progress(runner, iteration):
        # mmengine's wrapper has no public name for it
        counts = getattr(runner.optim_wrapper, '_accumulative_counts', 1)
        return iteration // counts * counts / runner.max_iters

    def before_train(self, runner) -> None:
        model = self._model(runner)
        if not hasattr(model, 'update_target'):
            raise TypeError(
                f'MomentumUpdateHook cannot be used with {type(model).__name__}: it '
                'has no target encoder'
            )
        if runner.iter == 0:
            model.update_target(0.0)
        # what a resumed run logs before its first update
        model.momentum = momentum_at(
            self._progress(runner, max(runner.iter - 1, 0)), model.base_momentum
        )

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        if runner.optim_wrapper.should_update():
            model = self._model(runner)
            model.update_target(
                momentum_at(self._progress(runner, runner.iter), model.base_momentum)
            )
