"""Schedules and accumulated gradients that keep step with the optimizer."""

from __future__ import annotations

from mmaction.registry import HOOKS
from mmengine.hooks import ParamSchedulerHook
from mmengine.runner import EpochBasedTrainLoop


@HOOKS.register_module()
class AccumulatedStepsHook(ParamSchedulerHook):
    """mmengine's ``ParamSchedulerHook`` for gradients that are accumulated over iterations.

    - No step of the optimizer takes gradients of two epochs: the last one of an epoch has what is
      left, as a last batch that is smaller. (mmengine counts on, and a checkpoint in between, which
      holds no gradients, loses them.)
    - Schedules that count iterations move after a step of the optimizer, by all that went into it.
      (mmengine moves them in between, so that 2 x 4 clips follow other rates than 1 x 8.)

    Raises:
        ValueError: The training loop counts iterations, and gradients are accumulated.
    """

    def before_train(self, runner) -> None:
        if not isinstance(runner.train_loop, EpochBasedTrainLoop):
            raise ValueError(
                'optim_wrapper.accumulative_counts needs a training loop by epochs: set '
                'train_cfg = dict(by_epoch=True, max_epochs=…)'
            )
        self._waiting = 0
        if runner.iter % runner.optim_wrapper._accumulative_counts:
            runner.logger.info(
                'Every epoch ends with a step of the optimizer: no gradient is lost by resuming.'
            )

    def before_train_epoch(self, runner) -> None:
        # mmengine's wrapper has no public names for these
        wrapper, length = runner.optim_wrapper, len(runner.train_dataloader)
        wrapper._inner_count, wrapper._max_counts = 0, length
        wrapper._remainder_counts = length % wrapper._accumulative_counts

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        self._waiting += 1
        if runner.optim_wrapper.should_update():
            for _ in range(self._waiting):
                super().after_train_iter(runner, batch_idx, data_batch, outputs)
            self._waiting = 0
