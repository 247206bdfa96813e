"""SSTL's temporal augmentations: lengths, order, gaps, rates, uniform starts; and clear errors."""

import itertools
from collections import Counter

import numpy as np
import pytest
from mmaction.registry import DATASETS, TRANSFORMS

from helpers.videos import numbered_frames, read_number, write_video
from mmssl_video.datasets.transforms.temporal import crop_time, distort_rate, drop_apart

DRAWS = 10_000


@pytest.fixture(autouse=True)
def _seed():
    np.random.seed(0)


def chi_square(counts):
    """Pearson's statistic of counts against the uniform, over its standard deviation from k."""
    counts = np.asarray(counts, float)
    expected = counts.sum() / len(counts)
    freedom = len(counts) - 1
    return (((counts - expected) ** 2 / expected).sum() - freedom) / np.sqrt(2 * freedom)


def window(total=300, num_frames=28, stride=1, **kwargs):
    sample = TRANSFORMS.build(
        dict(type='SampleWindow', num_frames=num_frames, stride=stride, **kwargs)
    )
    return sample(dict(filename='a.mp4', total_frames=total))


def augment(results, *steps):
    for step in steps:
        results = TRANSFORMS.build(step)(results)
    return results


# ------------------------------------------------------------------------- playback rate


def test_each_frame_is_dropped_with_probability_one_minus_one_over_p():
    kept = np.zeros(28)
    for _ in range(DRAWS):
        left = distort_rate(np.arange(28), 1.25, max_dropped=28)
        assert np.all(np.diff(left) > 0)
        kept[left] += 1
    # 0.8 for every place; standard deviation of a share over the draws 0.004
    assert np.all(np.abs(kept / DRAWS - 0.8) < 5 * np.sqrt(0.8 * 0.2 / DRAWS))


def test_rate_is_uniform_and_labels_the_clip():
    transform = TRANSFORMS.build(dict(type='PlaybackRateDistortion', max_dropped=28 - 1))
    rates, shares = [], []
    for _ in range(DRAWS):
        results = transform(dict(frame_inds=np.arange(28), clip_len=28, num_clips=1))
        assert results['playback_rate'].shape == (1,)
        rates.append(float(results['playback_rate'][0]))
        shares.append(len(results['frame_inds']) / 28)
    assert min(rates) >= 1 and max(rates) <= 1.25
    assert abs(chi_square(np.histogram(rates, 20, (1, 1.25))[0])) < 5
    # E[kept] = E[1 / p] = 4 ln 1.25
    assert np.mean(shares) == pytest.approx(4 * np.log(1.25), abs=5 * np.std(shares) / DRAWS**0.5)
    # slow clips keep all, fast ones lose a fifth: the label tells the share
    assert np.corrcoef(1 / np.array(rates), shares)[0, 1] > 0.5


def test_number_of_dropped_frames_is_capped_and_the_choice_is_fair():
    lost = np.zeros(12)
    for _ in range(DRAWS):
        left = distort_rate(np.arange(12), 4.0, max_dropped=3)
        assert len(left) >= 9 and np.all(np.diff(left) > 0)
        lost[np.setdiff1d(np.arange(12), left)] += 1
    assert abs(chi_square(lost)) < 5


def test_rate_one_drops_nothing():
    results = augment(window(), dict(type='PlaybackRateDistortion', max_rate=1.0))
    assert results['clip_len'] == 28 and results['playback_rate'].tolist() == [1.0]


# ------------------------------------------------------------------------- dropout


@pytest.mark.parametrize('length, count', [(24, 4), (7, 4), (5, 1), (5, 0), (28, 14)])
def test_dropped_frames_are_never_neighbours(length, count):
    for _ in range(300):
        left = drop_apart(np.arange(length), count)
        dropped = np.setdiff1d(np.arange(length), left)
        assert len(dropped) == count and np.all(np.diff(left) > 0)
        assert count < 2 or np.diff(dropped).min() >= 2


def test_every_choice_of_frames_apart_is_equally_likely():
    found = Counter(
        tuple(np.setdiff1d(np.arange(8), drop_apart(np.arange(8), 3))) for _ in range(DRAWS)
    )
    possible = [c for c in itertools.combinations(range(8), 3) if min(np.diff(c)) >= 2]
    assert set(found) == set(possible)
    assert abs(chi_square(list(found.values()))) < 5


# ------------------------------------------------------------------------- crop


def test_cropped_frames_are_consecutive_and_starts_uniform():
    starts = Counter()
    for _ in range(DRAWS):
        left = crop_time(np.arange(28), 16)
        assert len(left) == 16 and np.all(np.diff(left) == 1)
        starts[left[0]] += 1
    assert set(starts) == set(range(13))
    assert abs(chi_square(list(starts.values()))) < 5


def test_position_is_that_of_the_centre_frame():
    results = window(total=50, num_frames=16, mode='center')
    results = augment(results, dict(type='TemporalRandomCrop', num_frames=16))
    assert results['window_starts'].tolist() == [17]
    assert results['temporal_position'].tolist() == [(17 + 8 + 0.5) / 50]
    ends = [
        augment(
            window(total=16, num_frames=4, mode='sliding', overlap=0),
            dict(type='TemporalRandomCrop', num_frames=1),
        )['temporal_position']
        for _ in range(20)
    ]
    assert np.all((np.stack(ends) > 0) & (np.stack(ends) < 1))


# ------------------------------------------------------------------------- all together

STEPS = [
    dict(type='RepeatClips', times=2),
    dict(type='PlaybackRateDistortion', max_rate=1.25, max_dropped=8),
    dict(type='TemporalRandomDropout', num_dropped=4),
    dict(type='TemporalRandomCrop', num_frames=16),
]


def test_two_independent_draws_of_one_clip():
    different = rate_pairs = 0
    for _ in range(200):
        first = window()
        start = first['window_starts'][0]
        results = augment(first, *STEPS)
        assert (results['clip_len'], results['num_clips']) == (16, 2)
        assert results['window_starts'].tolist() == [start, start]
        views = results['frame_inds'].reshape(2, 16)
        assert np.all(np.diff(views, axis=1) > 0)
        assert views.min() >= start and views.max() < start + 28
        assert results['playback_rate'].shape == results['temporal_position'].shape == (2,)
        assert 'clip_lens' not in results
        different += not np.array_equal(*views)
        rate_pairs += results['playback_rate'][0] != results['playback_rate'][1]
    assert different > 190 and rate_pairs == 200


def test_clips_of_different_lengths_are_kept_apart_between_the_steps():
    results = augment(window(num_frames=28, stride=3, total=200), *STEPS[:2])
    lengths = results.get('clip_lens', [28, 28])
    assert 'clip_len' not in results or len(set(lengths)) == 1
    clips = np.split(results['frame_inds'], np.cumsum(lengths)[:-1])
    assert all(np.all(np.diff(clip) % 3 == 0) and np.all(np.diff(clip) > 0) for clip in clips)


def test_same_draws_from_the_same_seed():
    first = []
    for _ in range(2):
        np.random.seed(3)
        first.append(augment(window(), *STEPS)['frame_inds'])
    assert np.array_equal(*first)


@pytest.fixture(scope='module')
def listed(tmp_path_factory):
    folder = tmp_path_factory.mktemp('temporal')
    for i in range(3):
        write_video(folder / f'{i}.mp4', numbered_frames(60, first=100 * i))
    (folder / 'list.txt').write_text('0.mp4 0\n1.mp4 0\n2.mp4 0\n')
    return folder


def dataset(folder, steps, num_frames=28, after=()):
    return DATASETS.build(
        dict(
            type='VideoListDataset',
            ann_file=str(folder / 'list.txt'),
            seed=0,
            data_prefix=dict(video=str(folder)),
            pipeline=[
                dict(type='VideoInit'),
                dict(type='SampleWindow', num_frames=num_frames, stride=1, mode='random'),
                *steps,
                dict(type='DecodeFrames'),
                *after,
                dict(type='FormatShape', input_format='NCTHW'),
                dict(
                    type='PackActionInputs',
                    meta_keys=('sample_idx', 'frame_inds', 'playback_rate', 'temporal_position'),
                ),
            ],
        )
    )


def test_what_is_decoded_are_the_chosen_frames_and_labels_travel(listed):
    data = dataset(listed, STEPS)
    for epoch, index in itertools.product(range(2), range(3)):
        data.set_epoch(epoch)
        sample = data[index]
        info = sample['data_samples'].metainfo
        shown = [
            read_number(frame.numpy())
            for clip in sample['inputs'].permute(0, 2, 3, 4, 1)
            for frame in clip
        ]
        assert sample['inputs'].shape[:3] == (2, 3, 16)
        assert shown == (info['frame_inds'] + 100 * index).tolist()
        assert info['sample_idx'] == index
        centres = info['frame_inds'].reshape(2, 16)[:, 8]
        assert info['temporal_position'] == pytest.approx((centres + 0.5) / 60)
        again = data[index]
        assert np.array_equal(again['data_samples'].metainfo['frame_inds'], info['frame_inds'])


def test_only_the_frames_that_are_left_are_decoded(listed, monkeypatch):
    from mmssl_video.datasets.decoding import VideoSource

    asked, get_frames = [], VideoSource.get_frames
    monkeypatch.setattr(
        VideoSource,
        'get_frames',
        lambda self, indices: (
            asked.append(len(set(np.asarray(indices).tolist()))),
            get_frames(self, indices),
        )[1],
    )
    info = dataset(listed, STEPS)[0]['data_samples'].metainfo
    assert asked == [len(np.unique(info['frame_inds']))]


def test_spatial_draws_are_fixed_within_a_clip_and_fresh_for_each_view(listed):
    steps = [
        dict(
            type='PerClip',
            transforms=[
                dict(
                    type='VideoColorJitter',
                    brightness=0.5,
                    contrast=0,
                    saturation=0,
                    hue=0,
                    consistent='clip',
                )
            ],
        )
    ]
    inputs = dataset(
        listed, [STEPS[0], dict(type='TemporalRandomCrop', num_frames=28)], after=steps
    )[0]['inputs'].float()
    light = inputs.amax((1, 3, 4))  # [views, frames]: the white bars of every frame
    assert light.std(1).max() < 1.5 < (light[0] - light[1]).abs().min()


@pytest.mark.parametrize(
    'steps, frames, blocks',
    [
        (
            STEPS[1:3] + [dict(type='TemporalRandomCrop', num_frames=16)],
            28,
            4,
        ),  # one window: MemDPC
        (
            [
                dict(type='TemporalRandomDropout', num_dropped=2),
                dict(type='TemporalRandomCrop', num_frames=8),
            ],
            12,
            2,
        ),
    ],
)
def test_it_composes_with_blocks(listed, steps, frames, blocks):
    sample = dataset(listed, steps, frames, after=[dict(type='SplitBlocks', num_blocks=blocks)])[1]
    assert sample['inputs'].shape[:3] == (blocks, 3, steps[-1]['num_frames'] // blocks)
    numbers = sample['data_samples'].metainfo['frame_inds']
    assert np.all(np.diff(numbers) > 0)


# ------------------------------------------------------------------------- errors


@pytest.mark.parametrize('num_frames, missing', [(27, 1), (20, 8), (24, 4)])
def test_too_few_extra_frames_are_refused_when_the_dataset_is_built(listed, num_frames, missing):
    with pytest.raises(
        ValueError,
        match=rf'extra frames of the clip are {missing} too few for '
        r'what is dropped; raise SampleWindow.num_frames',
    ):
        dataset(listed, STEPS, num_frames)


def test_too_few_frames_for_blocks_after_a_crop(listed):
    with pytest.raises(ValueError, match='16 frames cannot be split into 5 blocks'):
        dataset(listed, STEPS, 28, after=[dict(type='SplitBlocks', num_blocks=5)])


def test_errors_of_use():
    with pytest.raises(ValueError, match='between SampleWindow and DecodeFrames'):
        augment(dict(window(), imgs=[]), STEPS[3])
    with pytest.raises(ValueError, match='at least 7 frames to drop 4'):
        augment(window(num_frames=6), STEPS[2])
    with pytest.raises(ValueError, match='may drop 8 frames of clips that may have only 8'):
        augment(window(num_frames=8), STEPS[1])
    for wrong in (
        dict(type='RepeatClips', times=0),
        dict(type='TemporalRandomCrop', num_frames=0),
        dict(type='PlaybackRateDistortion', max_rate=0.9),
        dict(type='PlaybackRateDistortion', max_dropped=-1),
        dict(type='TemporalRandomDropout', num_dropped=-1),
    ):
        with pytest.raises(ValueError, match=wrong['type']):
            TRANSFORMS.build(wrong)
