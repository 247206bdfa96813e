"""Held-out figures are the same whatever the number of processes."""

import json

import pytest
import torch
from mmengine.dataset import DefaultSampler
from mmengine.dataset import sampler as sampler_module

from helpers.tiny_run import REPO, make_config, run, scalars
from mmssl_video.engine.samplers import whole_batches
from mmssl_video.engine.samplers.whole_batches import WholeBatchSampler

DIST_TRAIN, DIST_TEST = REPO / 'tools' / 'dist_train.sh', REPO / 'tools' / 'dist_test.sh'


@pytest.mark.parametrize('shuffle', [False, True])
@pytest.mark.parametrize('drop_last', [False, True])
@pytest.mark.parametrize('processes', [1, 2, 3, 5])
def test_batches_are_those_of_one_process_each_dealt_once(
    monkeypatch, processes, drop_last, shuffle
):
    order = list(DefaultSampler(range(15), shuffle, seed=3))
    assert (order == list(range(15))) is not shuffle
    dealt = []
    for rank in range(processes):
        for module in (whole_batches, sampler_module):
            monkeypatch.setattr(module, 'get_dist_info', lambda rank=rank: (rank, processes))
        sampler = WholeBatchSampler(DefaultSampler(range(15), shuffle, seed=3), 4, drop_last)
        assert len(sampler) == len(list(sampler))
        dealt += enumerate(sampler)
    batches = [order[:4], order[4:8], order[8:12], order[12:]][: 3 if drop_last else 4]
    assert sorted(batch for _, batch in dealt) == sorted(batches)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('processes')
    extra = "model.update(losses=dict(prediction=dict(type='DenseInfoNCELoss', gather=True)))\n"
    make_config(folder, num_train=8, num_val=7, batch_size=2, extra=extra)
    return folder


@pytest.mark.skipif(torch.cuda.is_available(), reason='processes on the CPU')
@pytest.mark.parametrize('batch_size', [2, 8])  # of 7 videos: a rest of one, and one batch in all
def test_two_processes_and_one_give_the_same_figures(folder, batch_size):
    if not (folder / 'work' / 'epoch_1.pth').exists():
        done = run(
            *(DIST_TRAIN, 'tiny.py', 2, '--work-dir', 'work'),
            *('--cfg-options', 'train_cfg.max_epochs=1'),
            cwd=folder,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout[-3000:]
    figures = []
    for processes in (1, 2):
        out = folder / f'{batch_size}_{processes}.json'
        done = run(
            *(DIST_TEST, 'tiny.py', 'work/epoch_1.pth', processes, '--out', out),
            *('--cfg-options', f'val_dataloader.batch_size={batch_size}'),
            cwd=folder,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout[-3000:]
        [record] = json.loads(out.read_text())
        figures.append((record['metrics'], record['chance'], record['num_queries']))
    assert figures[0] == figures[1]
    if batch_size == 2:
        [validated] = [entry for entry in scalars(folder / 'work') if 'ssl/loss' in entry]
        assert validated['ssl/loss'] == pytest.approx(
            figures[0][0]['ssl/loss']['value'], rel=1e-6
        ), 'the validation of two processes, and the test of one'
