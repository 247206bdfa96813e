"""SampleSeedHook: the dataset knows the epoch and model draws are resumable."""

import random

import numpy as np
import pytest
import torch
from mmengine.dataset import (
    ClassBalancedDataset,
    ConcatDataset,
    DefaultSampler,
    RepeatDataset,
    pseudo_collate,
)
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch.utils.data import ConcatDataset as TorchConcatDataset
from torch.utils.data import Subset

from helpers.videos import numbered_frames, write_video
from mmssl_video.datasets.video_list import VideoListDataset
from mmssl_video.engine.hooks.sample_seed import SampleSeedHook, video_list_datasets

PIPELINE = [
    dict(type='VideoInit'),
    dict(type='SampleWindow', num_frames=2, stride=1),
    dict(type='DecodeFrames'),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs', meta_keys=('frame_inds', 'sample_idx')),
]


class Recorder(BaseModel):
    """Notes which frames it sees and what the generators give."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seen = []

    def forward(self, inputs, data_samples=None, mode='loss'):
        self.seen.append(
            (
                tuple((sample.sample_idx, *map(int, sample.frame_inds)) for sample in data_samples),
                torch.rand(1).item(),
                np.random.rand(),
                random.random(),
            )
        )
        return dict(loss=self.weight.sum())


@pytest.fixture(scope='module')
def video_list(tmp_path_factory):
    folder = tmp_path_factory.mktemp('videos')
    for number in range(3):
        write_video(folder / f'{number}.mp4', numbered_frames(40, (32, 48)))
    path = folder / 'list.txt'
    path.write_text(''.join(f'{number}.mp4 0\n' for number in range(3)))
    return path


def runner(
    video_list,
    work_dir,
    epochs,
    num_workers=0,
    run_seed=7,
    train_cfg=None,
    load_from=None,
    wrap=lambda data: data,
    **dataset,
):
    data = wrap(
        VideoListDataset(str(video_list), PIPELINE, dict(video=str(video_list.parent)), **dataset)
    )
    return Runner(
        model=Recorder(),
        work_dir=str(work_dir),
        default_scope='mmaction',
        train_dataloader=dict(
            batch_size=2,
            num_workers=num_workers,
            dataset=data,
            sampler=DefaultSampler(data, seed=run_seed),
            persistent_workers=num_workers > 0,
            collate_fn=pseudo_collate,
        ),
        train_cfg=train_cfg or dict(by_epoch=True, max_epochs=epochs),
        randomness=dict(seed=run_seed),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=1)),
        custom_hooks=[dict(type='SampleSeedHook')],
        load_from=load_from,
        resume=load_from is not None,
        experiment_name=work_dir.name,
        log_level='ERROR',
    )


def test_epochs_differ_and_a_resumed_run_continues(video_list, tmp_path):
    straight = runner(video_list, tmp_path / 'straight', 3)
    straight.train()
    seen = straight.model.seen
    assert len(seen) == 6
    starts = [
        {index: start for batch, *_ in seen[2 * epoch : 2 * epoch + 2] for index, start, _ in batch}
        for epoch in range(3)
    ]
    assert len({tuple(sorted(epoch.items())) for epoch in starts}) == 3

    first = runner(video_list, tmp_path / 'cut', 1)
    first.train()
    assert first.model.seen == seen[:2]
    resumed = runner(
        video_list,
        tmp_path / 'cut2',
        3,
        num_workers=2,
        load_from=str(tmp_path / 'cut' / 'epoch_1.pth'),
    )
    resumed.train()
    assert resumed.model.seen == seen[2:]  # same videos, frames, and draws of the model


def test_the_run_seed_reaches_the_dataset_unless_it_has_one(video_list, tmp_path):
    runs = [
        runner(video_list, tmp_path / f'{number}', 1, run_seed=seed, **dataset)
        for number, (seed, dataset) in enumerate(
            [(7, {}), (8, {}), (7, dict(seed=1)), (8, dict(seed=1))]
        )
    ]
    for run in runs:
        run.train()
    seeds = [run.train_loop.dataloader.dataset.seed for run in runs]
    assert seeds == [7, 8, 1, 1]
    frames = [sorted(sum((batch for batch, *_ in run.model.seen), ())) for run in runs]
    assert frames[0] != frames[1] and frames[2] == frames[3]


def test_iteration_loops_are_refused(video_list, tmp_path):
    run = runner(video_list, tmp_path, 1, train_cfg=dict(by_epoch=False, max_iters=2))
    with pytest.raises(RuntimeError, match='needs a training loop by epochs'):
        run.train()


def test_wrappers_that_repeat_samples_are_refused(video_list, tmp_path):
    for name, wrap in (
        ('plain', lambda data: RepeatDataset(data, 2)),
        ('balanced', lambda data: ClassBalancedDataset(data, 1e-3)),
        ('inside', lambda data: TorchConcatDataset([data, RepeatDataset(data, 2)])),
    ):
        run = runner(video_list, tmp_path / name, 1, wrap=wrap)
        with pytest.raises(RuntimeError, match='Dataset around VideoListDataset would give'):
            run.train()
        assert run.model.seen == []


def test_concatenated_lists_train(video_list, tmp_path):
    run = runner(video_list, tmp_path, 2, wrap=lambda data: ConcatDataset([data, data]))
    run.train()
    assert sum(len(batch) for batch, *_ in run.model.seen) == 12


def test_datasets_are_found_inside_wrappers(video_list):
    data = [
        VideoListDataset(str(video_list), PIPELINE, dict(video=str(video_list.parent)))
        for _ in range(2)
    ]
    assert video_list_datasets(TorchConcatDataset([Subset(data[0], [0]), data[1]])) == data
    assert video_list_datasets(None) == [] and video_list_datasets([1, 2]) == []
    assert SampleSeedHook.priority == 'VERY_HIGH'
