"""A curriculum on the number of predicted blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmaction.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner.base_loop import BaseLoop

from mmssl_video.models.recognizers.block_prediction import BlockPrediction
from mmssl_video.models.recognizers.prediction_schedule import prediction_stages, steps_at


@HOOKS.register_module()
class PredictionStepsHook(Hook):
    """Changes how many blocks a dense predictive model predicts, at given epochs.

    DPC (section 4.2) trains 5 blocks -> 3 predicted, then 4 -> 4. The number is a function of the
    epoch alone, so a resumed run continues in the right stage.

    Args:
        schedule: ``{first epoch (from 0): prediction steps}``, or pairs of them. It must begin
            with epoch 0.

    Raises:
        ValueError: The schedule is empty, does not begin with epoch 0, or holds other things than
            whole numbers.
    """

    def __init__(self, schedule: Mapping[int, int] | Sequence[tuple[int, int]]) -> None:
        self.schedule = prediction_stages(schedule)
        self._current: int | None = None

    def steps_at(self, epoch: int) -> int:
        """Prediction steps in an epoch (counted from 0)."""
        return steps_at(self.schedule, epoch)

    def before_train(self, runner) -> None:
        """Try every stage on the model, so that a wrong one fails now and not in epoch 50."""
        for _, steps in self.schedule:
            self._set(runner, steps)
        self._current = None

    def before_train_epoch(self, runner) -> None:
        steps = self.steps_at(runner.epoch)
        self._set(runner, steps)
        if steps != self._current:
            runner.logger.info(f'Predicting {steps} blocks from epoch {runner.epoch + 1} on.')
            self._current = steps

    def before_val_epoch(self, runner) -> None:
        """Validate with the steps of the epoch just trained, also right after a resume."""
        if isinstance(runner._train_loop, BaseLoop):  # not in a validation without training
            self._set(runner, self.steps_at(max(runner.epoch - 1, 0)))

    @staticmethod
    def _set(runner, steps: int) -> None:
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        if not isinstance(model, BlockPrediction):
            raise TypeError(
                f'PredictionStepsHook cannot be used with {type(model).__name__}: it '
                'has no prediction steps'
            )
        model.set_pred_steps(steps)
