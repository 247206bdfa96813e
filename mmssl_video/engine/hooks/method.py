"""The one hook of all methods: what follows an optimizer step, and their place in checkpoints."""

from __future__ import annotations

from pathlib import Path

from mmaction.registry import HOOKS
from mmengine.hooks import CheckpointHook, Hook
from mmengine.model import is_model_wrapper
from mmengine.runner.base_loop import BaseLoop

from mmssl_video.models.recognizers.self_supervised import SelfSupervisedRecognizer, TrainingRun

from .sample_seed import video_list_datasets


@HOOKS.register_module(name=['MethodHook', 'MomentumUpdateHook', 'MemoryBankHook'])
class MethodHook(Hook):
    """Calls a :class:`SelfSupervisedRecognizer` where a run concerns it, and no other model.

    - before training: ``before_training(run)``, and on resume ``load_state(checkpoint, folder)``;
    - after each optimizer step: ``after_step(progress)``. Iterations that only accumulate gradients
      call nothing, and the progress is that of the first one that went into the step: accumulated
      parts of a batch act like the batch;
    - with each checkpoint: ``save_state(folder, iteration)``;
    - after training: ``after_training(folder)``.

    ``MomentumUpdateHook`` and ``MemoryBankHook``, the hooks of configs that were written before
    there was one for all methods, are other names of it. Of several in a run, the first acts.
    """

    priority = 'ABOVE_NORMAL'  # before the checkpoint is written

    def __init__(self) -> None:
        self._resumed: tuple[dict, Path] | None = None

    def _method(self, runner) -> SelfSupervisedRecognizer | None:
        """The method in training, None if there is none or another hook sees to it."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        is_training = isinstance(runner._train_loop, BaseLoop)
        if not is_training or not isinstance(model, SelfSupervisedRecognizer):
            return None
        first = next(hook for hook in runner.hooks if isinstance(hook, MethodHook))
        return model if first is self else None

    @staticmethod
    def _progress(runner, iteration: int) -> float:
        # mmengine's wrapper has no public name for it
        counts = getattr(runner.optim_wrapper, '_accumulative_counts', 1)
        if counts == 1:
            return iteration / max(runner.max_iters, 1)
        epoch, place = divmod(iteration, len(runner.train_dataloader))  # no step spans two epochs
        first = epoch * len(runner.train_dataloader) + place // counts * counts
        return first / max(runner.max_iters, 1)

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        if runner._resume:
            folder = Path(runner._load_from).parent if runner._load_from else Path(runner.work_dir)
            self._resumed = checkpoint, folder

    def before_train(self, runner) -> None:
        resumed, self._resumed = self._resumed, None
        method = self._method(runner)
        if method is None:
            return
        method.before_training(
            TrainingRun(
                iteration=runner.iter,
                progress=self._progress(runner, max(runner.iter - 1, 0)),
                seed=runner.seed,
                work_dir=Path(runner.work_dir),
                video_names=lambda: video_names(runner.train_loop.dataloader.dataset),
            )
        )
        if resumed is not None:
            method.load_state(*resumed)

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        if runner.optim_wrapper.should_update():
            method = self._method(runner)
            if method is not None:
                method.after_step(self._progress(runner, runner.iter))

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        method = self._method(runner)
        if method is not None:
            checkpoint.update(method.save_state(self._folder(runner), checkpoint['meta']['iter']))

    def after_train(self, runner) -> None:
        method = self._method(runner)
        if method is not None:
            method.after_training(self._folder(runner))

    @staticmethod
    def _folder(runner) -> Path:
        """Where the checkpoints lie."""
        folders = (hook.out_dir for hook in runner.hooks if isinstance(hook, CheckpointHook))
        return Path(next(folders, None) or runner.work_dir)


def video_names(dataset) -> list[str]:
    """Names of the videos that a dataset trains on, by index.

    Raises:
        ValueError: They are not one :class:`VideoListDataset`.
    """
    lists = video_list_datasets(dataset)
    if len(lists) != 1:
        raise ValueError(
            f'a memory of the training videos needs one VideoListDataset to train on, not '
            f'{len(lists)}: join the lists into one'
        )
    return [lists[0].get_data_info(index)['name'] for index in range(len(lists[0]))]
