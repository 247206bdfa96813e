"""Hooks for tests: one kills its own process (SIGKILL), one notes the state of every process.

``MMSSL_TEST_KILL`` names the moment: ``train:EPOCH:ITERATION`` or ``val:EPOCH`` (from 0),
``write:NAME``, in the middle of writing the file of that name, or ``after:SECONDS`` of training.
"""

from __future__ import annotations

import os
import signal
import threading

import torch
from mmaction.registry import HOOKS
from mmengine.dist import get_rank
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
        if self.moment[0] == 'after':
            timer = threading.Timer(float(self.moment[1]), kill_self)
            timer.daemon = True  # a run that ends before is not held up
            timer.start()

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        if self.moment == ['train', str(runner.epoch), str(batch_idx)]:
            kill_self()

    def after_val_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        if self.moment == ['val', str(runner.epoch - 1)]:
            kill_self()


@HOOKS.register_module()
class FrozenNormHook(Hook):
    """Every batch norm uses its running statistics, as SyncBN of several processes would agree."""

    # not before an epoch: the loop sets the training mode after that
    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        for module in runner.model.modules():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                module.eval()


@HOOKS.register_module()
class DumpStateHook(Hook):
    """Writes the model of each process to ``rank<number>.pth`` at the end of an epoch."""

    priority = 'LOWEST'

    def after_train_epoch(self, runner) -> None:
        model = getattr(runner.model, 'module', runner.model)
        torch.save(
            dict(state_dict=model.state_dict()),
            os.path.join(runner.work_dir, f'rank{get_rank()}.pth'),
        )


def _kill_in_write(name: str) -> None:
    """Let writes to files named ``name`` (or its hidden stand-in) die half way."""
    real_fsync = os.fsync

    def fsync(descriptor: int) -> None:
        if name in os.path.basename(os.readlink(f'/proc/self/fd/{descriptor}')):
            os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)
            kill_self()
        real_fsync(descriptor)

    os.fsync = fsync
