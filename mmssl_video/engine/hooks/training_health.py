"""Stops a run that cannot learn or recover and points at one that learns nothing."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from mmaction.registry import HOOKS
from mmengine.hooks import CheckpointHook, Hook
from mmengine.model import is_model_wrapper

from mmssl_video.checkpoints import has_nan
from mmssl_video.models.recognizers.self_supervised import SelfSupervisedRecognizer

# In the message hub, so that a resumed run knows them.
_FIRST_LOSS, _LAST_HEALTHY, _IS_SAID = 'first_loss', 'last_healthy_epoch', 'absurd_loss_is_said'


@HOOKS.register_module()
class TrainingHealthHook(Hook):
    """Stops when there is no batch or the loss is not finite, and warns of what learns nothing.

    A loss is *absurd*, which is said once in a run, when it is ``max_rise`` times that of guessing
    (:meth:`SelfSupervisedRecognizer.guessing_loss`; where the method does not know it, that of the
    run's first iteration, and 1 at least). No checkpoint is written of weights that are NaN, so
    that a run always goes on from numbers.

    Args:
        min_feature_std: Smallest healthy spread of the features (``feature_std`` in the log, mean
            over the epoch; about 1 when they spread evenly, 0 when all are one point). None
            switches the check off.
        max_warnings: Number of warnings of collapsed features in a run; one per epoch at most.
        max_rise: See above.

    Raises:
        ValueError: Before training, when the data loader gives no batch.
        RuntimeError: The loss, a figure of the validation or the weights are not finite; the
            sentence names the last checkpoint from before the loss became absurd.
    """

    priority = 'NORMAL'  # after RuntimeInfoHook has put the losses into the message hub

    def __init__(
        self,
        min_feature_std: float | None = 0.01,
        max_warnings: int = 3,
        max_rise: float = 10.0,
    ) -> None:
        self.min_feature_std, self.warnings_left = min_feature_std, max_warnings
        self.max_rise = max_rise

    def before_train(self, runner) -> None:
        loader = runner.train_dataloader
        if len(loader) == 0:
            raise ValueError(
                f'there is no batch to train on: the {len(loader.sampler)} videos of a process do '
                f'not fill one of {loader.batch_size} and drop_last=True leaves it out; lower '
                'train_dataloader.batch_size'
            )

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        hub, when = runner.message_hub, f'epoch {runner.epoch + 1}, iteration {batch_idx + 1}'
        loss = hub.get_scalar('train/loss').current()
        if not math.isfinite(loss):
            raise RuntimeError(f'the loss is {loss} at {when}: {_advice(runner)}')
        if hub.get_info(_FIRST_LOSS) is None:
            hub.update_info(_FIRST_LOSS, float(loss))
        usual, meaning = self._usual_loss(runner)
        if abs(loss) > self.max_rise * usual and not hub.get_info(_IS_SAID, False):
            hub.update_info(_IS_SAID, True)
            runner.logger.warning(
                f'The loss is {loss:.3g} at {when}, and {meaning} is {usual:.3g}: the run is '
                'diverging. A lower learning rate, or optim_wrapper.clip_grad.max_norm=10, '
                'usually helps.'
            )

    def _usual_loss(self, runner) -> tuple[float, str]:
        """The loss that absurd ones are compared with, and what it is."""
        hub, guess = runner.message_hub, None
        model: Any = getattr(runner, 'model', None)
        model = model.module if is_model_wrapper(model) else model
        if isinstance(model, SelfSupervisedRecognizer):
            names = [name for name in hub.log_scalars if name.startswith('train/')]
            guess = model.guessing_loss(
                {name[len('train/') :]: hub.get_scalar(name).current() for name in names}
            )
        if guess is not None:
            return guess, 'that of guessing'
        return max(abs(hub.get_info(_FIRST_LOSS)), 1.0), 'that of the first iteration (or 1)'

    def after_train_epoch(self, runner) -> None:
        scalars, count = runner.message_hub.log_scalars, max(len(runner.train_dataloader), 1)
        if 'train/loss' in scalars:
            usual, _ = self._usual_loss(runner)
            if abs(scalars['train/loss'].mean(count)) <= self.max_rise * usual:
                runner.message_hub.update_info(_LAST_HEALTHY, runner.epoch + 1)
        if (
            self.min_feature_std is None
            or self.warnings_left <= 0
            or 'train/feature_std' not in scalars
        ):
            return
        spread = scalars['train/feature_std'].mean(count)
        if spread < self.min_feature_std:
            self.warnings_left -= 1
            runner.logger.warning(
                f'The features have collapsed: their standard deviation is {spread:.1e} in epoch '
                f'{runner.epoch + 1}, so every clip looks alike to the model; a lower learning '
                'rate usually helps.'
            )

    def after_val_epoch(self, runner, metrics=None) -> None:
        for name, value in (metrics or {}).items():
            if isinstance(value, (int, float)) and not math.isfinite(value):
                raise RuntimeError(
                    f'{name} of the validation after epoch {runner.epoch} is {value}: '
                    f'{_advice(runner)}'
                )

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        names = has_nan(checkpoint['state_dict'])
        if names:
            raise RuntimeError(
                f'{names[0]} and {len(names) - 1} other weights are NaN at the end of epoch '
                f'{runner.epoch + 1}, so no checkpoint is written: {_advice(runner)}'
            )


def _advice(runner) -> str:
    """What to do about a run that has diverged."""
    remedies = 'clip gradients (optim_wrapper.clip_grad.max_norm=10), or train without --amp'
    checkpoint = _healthy_checkpoint(runner)
    wrapper = runner.cfg.get('optim_wrapper') or {}
    rate = (wrapper.get('optimizer') or {}).get('lr')
    lower = f'optim_wrapper.optimizer.lr={rate / 10:g}' if rate else 'a lower learning rate'
    if checkpoint is None:
        return (
            f'lower the learning rate ({lower}), {remedies}, and start again: there is no '
            'checkpoint from before it diverged'
        )
    return (
        f'lower the learning rate, {remedies}, from the last checkpoint before it diverged: '
        f'--resume {checkpoint} --cfg-options {lower}'
    )


def _healthy_checkpoint(runner) -> Path | None:
    """The newest checkpoint that is there of an epoch whose loss was no absurd one."""
    last = int(runner.message_hub.get_info(_LAST_HEALTHY, 0) or 0)
    for hook in runner.hooks:
        if isinstance(hook, CheckpointHook) and hook.by_epoch and hook.out_dir:
            for epoch in range(last, 0, -1):
                path = Path(hook.out_dir) / hook.filename_tmpl.format(epoch)
                if path.is_file():
                    return path
    return None
