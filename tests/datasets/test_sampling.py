"""Windows: counts, bounds, the released tables, short videos."""

import json
from pathlib import Path

import numpy as np
import pytest
from mmaction.registry import TRANSFORMS

from helpers.configs import load
from mmssl_video.datasets.errors import BadVideoError, ShortVideoError
from mmssl_video.datasets.transforms.sampling import SampleWindow
from mmssl_video.datasets.views import view_of

CASES = Path(__file__).parents[1] / 'data' / 'parity' / 'cases'


def sample(total, **arguments):
    transform = TRANSFORMS.build(dict(type='SampleWindow', **arguments))
    return transform(dict(filename='a.mp4', total_frames=total))


def released_tables():
    for repo in ('dpc', 'memdpc'):
        tables = json.loads((CASES / f'{repo}_sampling_and_schedule.json').read_text())['tables']
        for name, table in tables.items():
            yield pytest.param(repo, name, table, id=f'{repo}/{name}')


@pytest.mark.parametrize('repo, name, table', list(released_tables()))
def test_released_tables(repo, name, table):
    parts = dict(
        part.split('vlen') if 'vlen' in part else (part[:2], part[2:])
        for part in name.split('/')[1:]
        if not part.startswith('num_seq')
    )
    total = int(parts[''])
    if name.startswith('train'):
        stride = int(parts['ds'])
        low, high = table['random_start_range']
        seen = set()
        for _ in range(20 * (high + 1)):
            results = sample(total, stride=stride, start_range='released')
            start = results['window_starts'][0]
            seen.add(int(start))
            assert (results['frame_inds'] - start).tolist() == table['frames_minus_start']
        assert min(seen) == low and max(seen) == high
        return
    blocks = 5 if 'num_seq5' in name else 8
    step = {
        ('dpc', 'UCF101', 8): 60,
        ('dpc', 'HMDB51', 8): 90,
        ('dpc', 'UCF101', 5): 30,
        ('dpc', 'HMDB51', 5): 45,
    }.get((repo, name[:6], blocks))
    results = sample(total, num_frames=5 * blocks, mode='sliding', step_frames=step)
    frames = results['frame_inds'].reshape(-1, 5 * blocks)
    assert results['num_clips'] == len(frames) == table['n_clips']
    assert frames[:, 0].tolist() == table['clip_first_frames']
    assert frames[:, -1].tolist() == table['clip_last_frames']


def test_random_starts_are_uniform_over_all_valid_ones():
    np.random.seed(0)
    starts = sample(128, num_windows=4400)['window_starts']
    values, counts = np.unique(starts, return_counts=True)
    assert values.tolist() == list(range(11))  # the window spans 118 frames: 0..10 are valid
    assert counts.min() > 300 and counts.max() < 500


def test_keys():
    results = sample(300, num_frames=10, stride=2, mode='uniform', num_windows=3)
    assert results['window_starts'].tolist() == [0, 140, 281]
    assert results['frame_inds'].reshape(3, 10)[2].tolist() == list(range(281, 300, 2))
    assert (results['clip_len'], results['num_clips'], results['frame_interval']) == (10, 3, 2)
    assert results['frame_inds'].dtype == np.int64


def test_center_and_single_uniform_agree():
    assert sample(318, mode='center')['window_starts'].tolist() == [100]
    assert sample(318, mode='uniform')['window_starts'].tolist() == [100]


@pytest.mark.parametrize(
    'total, ours, released',
    [(118, 1, 1), (176, 1, 1), (177, 2, 1), (178, 2, 1), (179, 2, 2), (235, 2, 2)]
    + [(236, 3, 2), (237, 3, 2), (238, 3, 3), (296, 4, 3), (297, 4, 4)],
)
def test_windows_of_the_released_memdpc_test_need_120_frames(total, ours, released):
    settings = load('finetune_memdpc_releasedtest', 'ucf101').test_dataloader.dataset.pipeline
    settings = {key: value for key, value in settings.sample.items() if key != 'type'}
    assert settings['start_range'] == 'released' and settings['step_frames'] == 59
    assert len(sample(total, **settings)['window_starts']) == released
    assert len(sample(total, **{**settings, 'start_range': 'all'})['window_starts']) == ours
    assert sample(total, **settings)['frame_inds'].max() < total
    view = view_of([dict(type='SampleWindow', **settings)])
    assert 'each with 120 frames to its end' in view.sentence


def test_max_windows_spreads_over_the_video():
    everything = sample(1000, mode='sliding')['window_starts']
    some = sample(1000, mode='sliding', max_windows=3)['window_starts']
    assert len(everything) == 15 and len(some) == 3 and set(some) <= set(everything)
    assert some[0] < 250 and 350 < some[1] < 550 and some[2] > 600
    assert len(sample(1000, mode='sliding', max_windows=99)['window_starts']) == 15


@pytest.mark.parametrize('mode', SampleWindow.MODES)
def test_short_videos(mode):
    arguments = dict(num_frames=6, stride=3, mode=mode)
    assert sample(16, short='drop', **arguments)['frame_inds'].tolist() == [0, 3, 6, 9, 12, 15]
    assert sample(10, short='loop', **arguments)['frame_inds'].tolist() == [0, 3, 6, 9, 2, 5]
    assert sample(10, short='pad', **arguments)['frame_inds'].tolist() == [0, 3, 6, 9, 9, 9]
    assert sample(1, short='loop', **arguments)['frame_inds'].tolist() == [0] * 6
    with pytest.raises(ShortVideoError, match='a.mp4: has 15 frames, .* needs 16') as error:
        sample(15, short='drop', **arguments)
    assert isinstance(error.value, BadVideoError) and error.value.kind == 'short'


def test_short_videos_keep_the_promised_number_of_windows():
    results = sample(4, num_frames=3, stride=2, mode='uniform', num_windows=2)
    assert results['frame_inds'].tolist() == [0, 2, 0, 0, 2, 0] and results['num_clips'] == 2


@pytest.mark.parametrize(
    'arguments, message',
    [
        (dict(num_frames=0), 'num_frames must be a whole number of at least 1, got 0'),
        (dict(stride=1.5), 'stride must be a whole number of at least 1, got 1.5'),
        (dict(mode='middle'), "mode must be one of .* got 'middle'"),
        (dict(short='cut'), "short must be one of .* got 'cut'"),
        (dict(start_range='some'), 'start_range must be one of'),
        (dict(mode='sliding', overlap=1), r'overlap must be in \[0, 1\)'),
        (dict(mode='sliding', num_windows=3), "num_windows=3 is for 'random' and 'uniform'"),
        (dict(mode='center', step_frames=3), "step_frames and max_windows are for mode='sliding'"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        TRANSFORMS.build(dict(type='SampleWindow', **arguments))
