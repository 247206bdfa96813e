"""The released code's test windows, training frames and learning rates, as our settings."""

import json
import re

import numpy as np
import pytest
import torch
from mmaction.registry import PARAM_SCHEDULERS, TRANSFORMS

from helpers.parity_cases import CASES

TABLES = {
    origin: json.loads((CASES / f'{origin}_sampling_and_schedule.json').read_text())
    for origin in ('dpc', 'memdpc')
}
BLOCK = {origin: table['seq_len'] for origin, table in TABLES.items()}


def rows(pattern):
    """(origin, name) of the tables whose name matches."""
    return [
        (origin, name)
        for origin, table in TABLES.items()
        for name in table['tables']
        if re.match(pattern, name)
    ]


def number(name, key, default):
    found = re.search(rf'{key}(\d+)', name)
    return int(found[1]) if found else default


@pytest.mark.parametrize('origin, name', rows('UCF101|HMDB51'))
def test_windows(origin, name):
    num_blocks, stride = number(name, 'num_seq', 8), number(name, 'ds', 3)
    settings = dict(num_frames=num_blocks * BLOCK[origin], stride=stride, mode='sliding')
    if origin == 'dpc':  # half of the blocks for UCF101, three quarters for HMDB51
        blocks = num_blocks // 2 if name.startswith('UCF101') else 3 * num_blocks // 4
        settings['step_frames'] = blocks * BLOCK[origin] * stride
    else:
        settings['start_range'] = 'released'
    sampler = TRANSFORMS.build(dict(type='SampleWindow', **settings))
    got = sampler(dict(filename='a.mp4', total_frames=number(name, 'vlen', None), start_index=0))
    frames = got['frame_inds'].reshape(-1, settings['num_frames'])
    expected = TABLES[origin]['tables'][name]
    assert got['num_clips'] == expected['n_clips']
    assert frames[:, 0].tolist() == expected['clip_first_frames']
    assert frames[:, -1].tolist() == expected['clip_last_frames']


@pytest.mark.parametrize('origin, name', rows('train'))
def test_training_frames(origin, name, monkeypatch):
    """The same frames after the start, and the same range to draw the start from."""
    expected = TABLES[origin]['tables'][name]
    drawn = []

    def extreme(low, high=None, size=None):  # every start that could be drawn
        low, high = (0, low) if high is None else (low, high)
        drawn.extend(range(low, high))
        return np.array([high - 1])

    monkeypatch.setattr(np.random, 'randint', extreme)
    sampler = TRANSFORMS.build(
        dict(
            type='SampleWindow',
            num_frames=8 * BLOCK[origin],
            stride=number(name, 'ds', 3),
            start_range='released',
        )
    )
    got = sampler(dict(filename='a.mp4', total_frames=number(name, 'vlen', None), start_index=0))
    assert [drawn[0], drawn[-1]] == expected['random_start_range']
    frames = got['frame_inds']
    assert (frames - frames[0]).tolist() == expected['frames_minus_start']
    assert frames[0] == drawn[-1]


@pytest.mark.parametrize(
    'origin, name',
    [(origin, name) for origin, table in TABLES.items() for name in table['lr_multiplier']],
)
def test_learning_rates(origin, name):
    """``MultiStepLR`` with all but the last of the released steps, which never has an effect."""
    table = TABLES[origin]['lr_multiplier'][name]
    epochs = {int(epoch): factor for epoch, factor in table['multiplier'].items()}
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=1e-3)
    scheduler = PARAM_SCHEDULERS.build(
        dict(type='MultiStepLR', milestones=table['step'][:-1], gamma=table['gamma']),
        default_args=dict(optimizer=optimizer),
    )
    rates = []
    for _ in range(max(epochs) + 1):
        rates.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        scheduler.step()
    assert {epoch: rates[epoch] / 1e-3 for epoch in epochs} == pytest.approx(epochs)
