"""Keeps a temporal memory bank: its videos, its updates, its place in checkpoints."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from mmaction.registry import HOOKS
from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook, Hook
from mmengine.model import is_model_wrapper
from mmengine.runner.base_loop import BaseLoop

from .sample_seed import video_list_datasets

KEY = 'temporal_memory_bank'  # in a checkpoint


def fingerprint_of(dataset) -> str:
    """SHA-256 of the names of a list's videos, in their order; labels and folders do not count."""
    digest = hashlib.sha256()
    for index in range(len(dataset)):
        digest.update(dataset.get_data_info(index)['name'].encode() + b'\n')
    return digest.hexdigest()


@HOOKS.register_module()
class MemoryBankHook(Hook):
    """Gives ``model.bank`` its videos, updates it after each optimizer step, saves and resumes it.

    Under gradient accumulation the clips of all accumulated batches update the bank at the step. A
    bank in a buffer is saved in the checkpoint, a mapped one in ``temporal_memory_bank_<i>.bin``
    beside it (i: iterations done), which goes when the last checkpoint that names it goes.

    Does nothing for a model whose ``bank`` is None.

    Raises:
        TypeError: Before training, for a model that has no bank.
        ValueError: The training set is not one list of videos; or, on resume, it is another list
            than that of the saved bank, or the checkpoint has no bank.
    """

    priority = 'ABOVE_NORMAL'  # before the checkpoint is written

    @staticmethod
    def _model(runner):
        return runner.model.module if is_model_wrapper(runner.model) else runner.model

    @classmethod
    def _bank(cls, runner):
        """The bank of a model in training; None if it has none."""
        if not isinstance(runner._train_loop, BaseLoop):
            return None
        return getattr(cls._model(runner), 'bank', None)

    def before_run(self, runner) -> None:
        if not isinstance(runner._train_loop, BaseLoop):
            return
        model = self._model(runner)
        if not hasattr(model, 'update_bank'):
            raise TypeError(
                f'MemoryBankHook cannot be used with {type(model).__name__}: it has no memory bank'
            )
        if model.bank is None:
            return
        datasets = video_list_datasets(runner.train_loop.dataloader.dataset)
        if len(datasets) != 1:
            raise ValueError(
                f'a temporal memory bank needs one VideoListDataset to train on, not '
                f'{len(datasets)}: join the lists into one'
            )
        model.bank.set_videos(
            len(datasets[0]),
            fingerprint_of(datasets[0]),
            runner.seed,
            runner.work_dir,
            next(model.parameters()).device,
        )

    def after_load_checkpoint(self, runner, checkpoint) -> None:
        bank = self._bank(runner)
        if bank is None or not runner._resume:
            return
        if KEY not in checkpoint:
            raise ValueError(
                'the checkpoint to resume from has no temporal memory bank: start '
                'anew from its weights (load_from without resume)'
            )
        folder = Path(runner._load_from).parent if runner._load_from else runner.work_dir
        bank.restore(checkpoint[KEY], folder)

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        if runner.optim_wrapper.should_update() and self._bank(runner) is not None:
            self._model(runner).update_bank()

    def before_save_checkpoint(self, runner, checkpoint) -> None:
        bank = self._bank(runner)
        if bank is not None:
            folder = self._folder(runner)
            self._remove_outdated(runner, folder)
            checkpoint[KEY] = bank.state(folder / f'{KEY}_{checkpoint["meta"]["iter"]}.bin')

    def after_train(self, runner) -> None:
        bank = self._bank(runner)
        if bank is None:
            return
        if is_main_process():
            self._remove_outdated(runner, self._folder(runner))
        if bank.file is not None:
            bank.file.unlink(missing_ok=True)  # what is mapped of it stays until the process ends

    @staticmethod
    def _folder(runner) -> Path:
        """Where the checkpoints lie."""
        return Path(
            next((hook.out_dir for hook in runner.hooks if isinstance(hook, CheckpointHook)), None)
            or runner.work_dir
        )

    @staticmethod
    def _remove_outdated(runner, folder: Path) -> None:
        """Remove banks that no checkpoint in the folder names."""
        banks = sorted(folder.glob(f'{KEY}_*.bin'))
        if not banks:
            return
        named = set()
        for path in folder.glob('*.pth'):
            try:
                saved = torch.load(str(path), 'cpu', mmap=True, weights_only=True)
            except Exception as error:  # a damaged file raises almost any kind of error
                runner.logger.warning(
                    f'{path} cannot be read ({str(error).splitlines()[0]}), so '
                    f'no {KEY}_*.bin beside it is removed.'
                )
                return
            named.add((saved.get(KEY) or {}).get('file'))
        for path in banks:
            if path.name not in named:
                path.unlink()
