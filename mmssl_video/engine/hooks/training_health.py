"""Stops a run that cannot learn or recover and points at one that learns nothing."""

from __future__ import annotations

import math

from mmaction.registry import HOOKS
from mmengine.hooks import Hook


@HOOKS.register_module()
class TrainingHealthHook(Hook):
    """Stops when there is no batch or the loss is not finite, and warns of collapsed features.

    Args:
        min_feature_std: Smallest healthy spread of the features (``feature_std`` in the log, mean
            over the epoch; about 1 when they spread evenly, 0 when all are one point). None
            switches the check off.
        max_warnings: Number of warnings in a run; one per epoch at most.

    Raises:
        ValueError: Before training, when the data loader gives no batch.
        RuntimeError: The loss is not finite.
    """

    priority = 'NORMAL'  # after RuntimeInfoHook has put the losses into the message hub

    def __init__(self, min_feature_std: float | None = 0.01, max_warnings: int = 3) -> None:
        self.min_feature_std, self.warnings_left = min_feature_std, max_warnings

    def before_train(self, runner) -> None:
        loader = runner.train_dataloader
        if len(loader) == 0:
            raise ValueError(
                f'there is no batch to train on: the {len(loader.sampler)} videos of a process do '
                f'not fill one of {loader.batch_size} and drop_last=True leaves it out; lower '
                'train_dataloader.batch_size'
            )

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        loss = runner.message_hub.get_scalar('train/loss').current()
        if not math.isfinite(loss):
            raise RuntimeError(
                f'the loss is {loss} at epoch {runner.epoch + 1}, iteration {batch_idx + 1}: lower '
                'the learning rate, clip gradients (optim_wrapper.clip_grad.max_norm=10), or train '
                'without --amp; --resume goes on from the last checkpoint'
            )

    def after_train_epoch(self, runner) -> None:
        scalars = runner.message_hub.log_scalars
        if (
            self.min_feature_std is None
            or self.warnings_left <= 0
            or 'train/feature_std' not in scalars
        ):
            return
        spread = scalars['train/feature_std'].mean(max(len(runner.train_dataloader), 1))
        if spread < self.min_feature_std:
            self.warnings_left -= 1
            runner.logger.warning(
                f'The features have collapsed: their standard deviation is {spread:.1e} in epoch '
                f'{runner.epoch + 1}, so every clip looks alike to the model; a lower learning '
                'rate usually helps.'
            )
