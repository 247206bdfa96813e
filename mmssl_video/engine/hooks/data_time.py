"""How much of the training time goes into waiting for data."""

from __future__ import annotations

import os

from mmaction.registry import HOOKS
from mmengine.hooks import Hook


@HOOKS.register_module()
class DataTimeHook(Hook):
    """Logs the share of time spent waiting for data and warns when data are the bottleneck.

    The share of each iteration is logged as ``data_share``. The first iteration of an epoch, in
    which the workers start, counts in the log but not for the warning.

    Args:
        threshold: Share of an epoch above which to warn, 0 to 1.
        max_warnings: Number of warnings in a run; one per epoch at most.
    """

    priority = 'NORMAL'  # after IterTimerHook, which is registered first, and before LoggerHook

    def __init__(self, threshold: float = 0.3, max_warnings: int = 3) -> None:
        self.threshold, self.warnings_left = threshold, max_warnings

    def before_train_epoch(self, runner) -> None:
        self._waited = self._total = 0.0

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        hub = runner.message_hub
        waited = hub.get_scalar('train/data_time').current()
        total = hub.get_scalar('train/time').current()
        hub.update_scalar('train/data_share', waited / max(total, 1e-9))
        if batch_idx > 0:
            self._waited += waited
            self._total += total

    def after_train_epoch(self, runner) -> None:
        share = self._waited / self._total if self._total else 0.0
        if share <= self.threshold or self.warnings_left <= 0:
            return
        self.warnings_left -= 1
        workers = runner.train_dataloader.num_workers
        cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
        if workers < cores:
            advice = f'raise train_dataloader.num_workers (now {workers}, {cores} CPU cores here)'
        else:
            advice = (
                f'all {cores} CPU cores are taken by {workers} workers: store the videos at '
                'a smaller size (short side 256 or less) or with fewer augmentations'
            )
        runner.logger.warning(
            f'Training waited for data during {share:.0%} of epoch {runner.epoch + 1}: {advice}.'
        )
