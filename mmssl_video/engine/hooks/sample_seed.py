"""Tells the dataset the epoch, and makes the model's own draws resumable."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import torch
from mmaction.registry import HOOKS
from mmengine.dataset import ClassBalancedDataset, RepeatDataset
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import IterBasedTrainLoop

from mmssl_video.datasets.seeding import derive_seeds
from mmssl_video.datasets.video_list import VideoListDataset


def video_list_datasets(dataset) -> list[VideoListDataset]:
    """The ``VideoListDataset`` objects inside a dataset and its wrappers (Concat, Subset …)."""
    return [part for part in _parts(dataset) if isinstance(part, VideoListDataset)]


def _parts(dataset) -> Iterator:
    """A dataset and all that it wraps, from the outside inwards."""
    yield dataset
    inner = getattr(dataset, 'datasets', None) or [getattr(dataset, 'dataset', None)]
    for part in inner:
        if part is not None:
            yield from _parts(part)


@HOOKS.register_module()
class SampleSeedHook(Hook):
    """Before each epoch: sample draws for this epoch, model draws from (seed, epoch, rank).

    mmengine seeds the generators once per run and once per worker, so that augmentations repeat
    from epoch to epoch and a resumed run draws other dropout masks than an uninterrupted one. With
    this hook both follow from the numbers alone.

    Args:
        seed: First number of the draws; ``None`` takes the run's seed. A dataset built with
            ``seed=None`` gets it too.

    Raises:
        RuntimeError: The training loop counts iterations: it has no epochs to seed by. Or a wrapper
            gives a sample more than once in an epoch, each time with the same augmentations.
    """

    priority = 'VERY_HIGH'

    def __init__(self, seed: int | None = None) -> None:
        self.seed = seed

    def _run_seed(self, runner) -> int:
        return int(runner.seed if self.seed is None else self.seed)

    def before_train(self, runner) -> None:
        if isinstance(runner.train_loop, IterBasedTrainLoop):
            raise RuntimeError(
                'SampleSeedHook needs a training loop by epochs: set '
                'train_cfg = dict(by_epoch=True, max_epochs=…).'
            )
        self._refuse_repeats(runner.train_loop.dataloader.dataset)
        for loop in (runner.train_loop, runner.val_loop):
            dataloader = getattr(loop, 'dataloader', None)
            for dataset in video_list_datasets(getattr(dataloader, 'dataset', None)):
                if not dataset.seed_is_set:
                    dataset.set_seed(self._run_seed(runner))

    @staticmethod
    def _refuse_repeats(dataset) -> None:
        for part in _parts(dataset):
            if isinstance(part, (RepeatDataset, ClassBalancedDataset)) and (
                video_list_datasets(part)
            ):
                raise RuntimeError(
                    f'{type(part).__name__} around VideoListDataset would give a video several '
                    'times in an epoch, each time with the same augmentations, which depend on '
                    'seed, epoch and sample index: leave it out of train_dataloader.dataset and '
                    'train for more epochs (more lines for a video in the list are drawn apart).'
                )

    def before_train_epoch(self, runner) -> None:
        for dataset in video_list_datasets(runner.train_loop.dataloader.dataset):
            dataset.set_epoch(runner.epoch)
        self._seed_generators(runner)

    def before_train_iter(self, runner, batch_idx: int, data_batch=None) -> None:
        # Making the loader's iterator draws from torch's generator, but persistent workers are made
        # in the first epoch only: without a second start every resume would shift the dropout.
        if batch_idx == 0:
            self._seed_generators(runner)

    def _seed_generators(self, runner) -> None:
        seeds = derive_seeds(self._run_seed(runner), runner.epoch, get_rank())
        np.random.seed(int(seeds[0]) % 2**32)
        random.seed(int(seeds[1]))
        torch.manual_seed(int(seeds[2]))
