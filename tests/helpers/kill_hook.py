"""A hook that kills its own process (SIGKILL) at a moment named by the environment.

``MMSSL_TEST_KILL`` is ``train:EPOCH:ITERATION`` or ``val:EPOCH`` (from 0), or ``write:NAME``: in the
middle of writing the file of that name.
"""

from __future__ import annotations

import os
import signal

from mmaction.registry import HOOKS
from mmengine.hooks import Hook


def kill_self() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@HOOKS.register_module()
class KillHook(Hook):

    def __init__(self) -> None:
        self.moment = os.environ.get('MMSSL_TEST_KILL', '').split(':')

    def before_train(self, runner) -> None:
        if self.moment[0] == 'write':
            _kill_in_write(self.moment[1])

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        if self.moment == ['train', str(runner.epoch), str(batch_idx)]:
            kill_self()

    def after_val_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        if self.moment == ['val', str(runner.epoch - 1)]:
            kill_self()


def _kill_in_write(name: str) -> None:
    """Let writes to files named ``name`` (or its hidden stand-in) die half way."""
    real_fsync = os.fsync

    def fsync(descriptor: int) -> None:
        if name in os.path.basename(os.readlink(f'/proc/self/fd/{descriptor}')):
            os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)
            kill_self()
        real_fsync(descriptor)

    os.fsync = fsync
