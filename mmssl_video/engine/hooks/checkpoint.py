"""Checkpoints that a kill at any moment never costs."""

from __future__ import annotations

import bisect
import inspect
import os.path as osp
from collections import deque
from contextlib import contextmanager
from typing import Any

from mmaction.registry import HOOKS
from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.runner import EpochBasedTrainLoop

from mmssl_video import compat
from mmssl_video.atomic_files import remove_partial, write_atomic

_PENDING = 'pending_validation'  # the log prints every info whose name begins with train or val


@HOOKS.register_module()
class AtomicCheckpointHook(CheckpointHook):
    """mmengine's ``CheckpointHook``, made safe against kills and exact on resume.

    - A file is written under another name and renamed when it is whole; older checkpoints, and the
      former best one, are removed only after that. (mmengine removes first and writes in place.)
    - ``last_checkpoint``, which ``--resume auto`` reads, is written in the same way.
    - Where validation follows an epoch, its outcome (learning rate on plateau, best score) belongs
      to the checkpoint of that epoch. It is saved again after the validation, and a run resumed
      from the one before validates first. (mmengine loses that validation on resume.)

    Args:
        Those of mmengine's ``CheckpointHook``; ``backend_args`` defaults to atomic local files.
    """

    # mmengine's, which has no types
    keep_ckpt_ids: deque[int]
    file_backend: Any

    def __init__(self, *args, backend_args: dict | None = None, **kwargs) -> None:
        super().__init__(*args, backend_args=backend_args or dict(backend='atomic_local'), **kwargs)
        self._saved_epoch = None

    def before_train(self, runner) -> None:
        with compat.quiet_file_client(runner.logger):
            super().before_train(runner)
        if is_main_process():
            for path in remove_partial(self.out_dir):
                runner.logger.info(f'Removed {path.name}: its writing had been cut short.')
        if runner.message_hub.get_info(_PENDING, False):
            runner.logger.info('The checkpoint was saved before its validation, which runs now.')
            self._saved_epoch = runner.epoch
            runner.val_loop.run()

    def after_train_epoch(self, runner) -> None:
        if self.by_epoch:
            runner.message_hub.update_info(_PENDING, _validation_follows(runner))
        super().after_train_epoch(runner)

    def after_val_epoch(self, runner, metrics) -> None:
        pending = runner.message_hub.get_info(_PENDING, False)
        runner.message_hub.update_info(_PENDING, False)
        super().after_val_epoch(runner, metrics)
        if pending and self._saved_epoch == runner.epoch:
            self._save_checkpoint_with_step(
                runner, runner.epoch, dict(epoch=runner.epoch, iter=runner.iter)
            )

    def _save_checkpoint(self, runner) -> None:
        self._saved_epoch = runner.epoch + 1
        super()._save_checkpoint(runner)

    def _save_best_checkpoint(self, runner, metrics) -> None:
        for key in self.key_indicators if self.save_best else ():
            if key != 'auto' and key not in metrics:
                raise KeyError(
                    f'save_best={key!r} is no result of the validation; it gives '
                    f'{", ".join(metrics)}'
                )
        with self._removing_last():
            super()._save_best_checkpoint(runner, metrics)

    def _save_checkpoint_with_step(self, runner, step: int, meta: dict) -> None:
        outdated: list[int] = []
        if self.max_keep_ckpts > 0 and step not in self.keep_ckpt_ids:
            kept = [*self.keep_ckpt_ids, step]
            outdated, kept = kept[: -self.max_keep_ckpts], kept[-self.max_keep_ckpts :]
            self.keep_ckpt_ids = deque(kept, self.max_keep_ckpts)
            runner.message_hub.update_info('keep_ckpt_ids', kept)
        name = self.filename_tmpl.format(step)
        self.last_ckpt = self.file_backend.join_path(self.out_dir, name)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        runner.save_checkpoint(
            self.out_dir,
            name,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            backend_args=self.backend_args,
            **self.args,
        )
        if not is_main_process():
            return
        write_atomic(self.last_ckpt.encode(), osp.join(runner.work_dir, 'last_checkpoint'))
        for old in outdated:
            path = self.file_backend.join_path(self.out_dir, self.filename_tmpl.format(old))
            if self.file_backend.isfile(path):
                self.file_backend.remove(path)

    @contextmanager
    def _removing_last(self):
        """Put off the removals that mmengine asks for until what replaces the files is written."""
        backend = self.file_backend
        outdated: list[str] = []
        self.file_backend = _PutOff(backend, outdated)
        try:
            yield
        finally:
            self.file_backend = backend
        written = {
            getattr(self, 'best_ckpt_path', None),
            *getattr(self, 'best_ckpt_path_dict', {}).values(),
        }
        folder = osp.realpath(self.out_dir)
        for path in outdated:
            # a resumed checkpoint names the best one before: only a file of this folder is ours
            is_own = osp.dirname(osp.realpath(path)) == folder
            if is_own and path not in written and backend.isfile(path):
                backend.remove(path)


# mmengine's hook takes any other argument, and hands it on after an epoch, where it fails.
_signature = inspect.signature(CheckpointHook.__init__)
AtomicCheckpointHook.__init__.__signature__ = _signature.replace(  # type: ignore[attr-defined]
    parameters=[
        each for each in _signature.parameters.values() if each.kind is not each.VAR_KEYWORD
    ]
)


class _PutOff:
    """A file backend whose ``remove`` only takes notes."""

    def __init__(self, backend, outdated: list) -> None:
        self._backend, self.remove = backend, outdated.append

    def __getattr__(self, name):
        return getattr(self._backend, name)


def _validation_follows(runner) -> bool:
    """Whether the train loop validates after the epoch that ends now (before it counts on)."""
    loop = runner.train_loop
    if runner.val_loop is None or not isinstance(loop, EpochBasedTrainLoop):
        return False
    done = runner.epoch + 1
    interval = loop.dynamic_intervals[bisect.bisect(loop.dynamic_milestones, done + 1) - 1]
    return done >= loop.val_begin and (done % interval == 0 or done == runner.max_epochs)
