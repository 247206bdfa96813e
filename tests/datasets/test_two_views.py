"""Two views of a video: their times, their colours, and the whole pipeline on a real video."""

import numpy as np
import pytest
from mmaction.registry import TRANSFORMS

from helpers.configs import load
from helpers.videos import numbered_frames, read_number, write_video
from mmssl_video.datasets import VideoListDataset
from mmssl_video.datasets.errors import BadVideoError
from mmssl_video.datasets.transforms.color import VideoGaussianBlur


def starts(total, draws=1, **arguments):
    sampler = TRANSFORMS.build(
        dict(type='SampleWindow', **{**dict(num_frames=4, stride=2, num_windows=2), **arguments})
    )
    return np.array(
        [sampler(dict(filename='a.mp4', total_frames=total))['window_starts'] for _ in range(draws)]
    )


# -- times --------------------------------------------------------------------------------------
def test_gap_is_kept_and_pairs_are_uniform():
    np.random.seed(0)
    found = starts(13, 6000, min_gap=4)  # a window spans 7 frames: starts 0 to 6
    distance = abs(found[:, 0] - found[:, 1])
    assert distance.min() == 4 and distance.max() == 6
    pairs, counts = np.unique(found, axis=0, return_counts=True)
    assert len(pairs) == 12  # (0, 4), (1, 5), (2, 6), (0, 5), (1, 6), (0, 6), in both orders
    assert counts.min() > 400 and counts.max() < 600


def test_gap_between_more_windows():
    np.random.seed(0)
    found = np.sort(starts(27, 300, min_gap=5, num_windows=4))
    assert np.diff(found, axis=1).min() == 5
    assert found.min() == 0 and found.max() == 20


@pytest.mark.parametrize('total, expected', [(13, {0, 6}), (9, {0, 2}), (7, {0}), (5, {0})])
def test_short_videos_keep_what_gap_they_can(total, expected):
    assert {int(s) for s in starts(total, 20, min_gap=50).ravel()} == expected


def test_no_gap_means_independent_draws():
    np.random.seed(3)
    expected = np.random.randint(0, 24, size=2)
    np.random.seed(3)
    assert starts(30)[0].tolist() == expected.tolist()


@pytest.mark.parametrize(
    'arguments, words',
    [
        (dict(min_gap=-1), 'min_gap must be'),
        (dict(min_gap=1.5), 'min_gap must be'),
        (dict(min_gap=3, num_windows=1), 'at least 2'),
        (dict(min_gap=3, mode='uniform'), 'random'),
    ],
)
def test_wrong_gaps(arguments, words):
    with pytest.raises(ValueError, match=words):
        starts(30, **arguments)


def test_timed_windows_span_a_time_and_not_frames():
    np.random.seed(0)
    sampler = TRANSFORMS.build(
        dict(type='SampleTimedWindow', num_frames=16, stride=4, num_windows=2)
    )
    spans = {}
    for fps in (15, 30, 60):
        frames = np.stack(
            [
                sampler(dict(filename='a', total_frames=600, avg_fps=fps))['frame_inds']
                for _ in range(50)
            ]
        ).reshape(100, 16)
        spans[fps] = (frames[:, -1] - frames[:, 0]).mean() / fps
        assert frames.min() >= 0 and frames.max() <= 599
        assert len(np.unique(frames[:, 0])) > 50
    assert max(spans.values()) - min(spans.values()) < 0.1  # seconds
    with pytest.raises(BadVideoError, match='frame rate'):
        sampler(dict(filename='a', total_frames=600, avg_fps=0.0))


@pytest.mark.parametrize(
    'arguments', [dict(mode='sliding'), dict(span='all'), dict(target_fps=0), dict(num_frames=0)]
)
def test_wrong_timed_windows(arguments):
    with pytest.raises(ValueError, match='Sample'):
        TRANSFORMS.build(dict(type='SampleTimedWindow', **arguments))


# -- blur ---------------------------------------------------------------------------------------
def plain_blur(img, sigma):
    """The Gaussian summed tap by tap along both axes, in float64."""
    radius = int(np.ceil(4 * sigma))
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    taps /= taps.sum()
    out = img.astype(np.float64)
    for axis in (0, 1):
        width = [(0, 0)] * 3
        width[axis] = (radius, radius)
        padded = np.pad(out, width, mode='reflect')
        out = sum(
            tap * np.take(padded, np.arange(i, i + out.shape[axis]), axis)
            for i, tap in enumerate(taps)
        )
    return out


@pytest.mark.parametrize('sigma', [0.1, 0.5, 1.3, 2.0])
def test_blur_equals_a_plain_gaussian(sigma):
    img = np.random.default_rng(0).integers(0, 256, (40, 48, 3), dtype=np.uint8)
    blur = VideoGaussianBlur(sigma=(sigma, sigma), p=1.0)
    [got] = blur(dict(imgs=[img]))['imgs']
    assert got.dtype == np.uint8
    assert abs(got - plain_blur(img, sigma)).max() < 0.501


def test_blur_is_drawn_once_per_clip():
    imgs = [np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)] * 12
    np.random.seed(0)
    blurred = []
    for _ in range(40):
        out = VideoGaussianBlur()(dict(imgs=list(imgs), clip_len=4))['imgs']
        for clip in range(3):
            frames = out[4 * clip : 4 * clip + 4]
            assert all((frame == frames[0]).all() for frame in frames)
            blurred.append((frames[0] != imgs[0]).any())
    # half are blurred; of these about one in ten so little (sigma below 0.25) that no pixel changes
    assert 35 < sum(blurred) < 75
    out = VideoGaussianBlur(p=1.0, consistent='frame')(dict(imgs=list(imgs), clip_len=4))['imgs']
    assert len({frame.tobytes() for frame in out}) > 6


@pytest.mark.parametrize(
    'arguments',
    [dict(sigma=2.0), dict(sigma=(0, 1)), dict(sigma=(2, 1)), dict(p=2), dict(consistent='video')],
)
def test_wrong_blurs(arguments):
    with pytest.raises(ValueError, match='VideoGaussianBlur'):
        VideoGaussianBlur(**arguments)


# -- the pipeline -------------------------------------------------------------------------------
@pytest.mark.parametrize(
    'name, shape',
    [
        ('fgkvmem_r3d18_ucf101', (2, 3, 16, 112, 112)),
        ('fgkvmem_slow18_k400', (2, 3, 8, 224, 224)),
        ('fgkvmem_released_r3d18_ucf101', (2, 3, 16, 112, 112)),
        ('byol_demo', (2, 3, 8, 64, 64)),
    ],
)
def test_pipelines_of_the_configs(name, shape, tmp_path):
    write_video(tmp_path / 'a.mp4', numbered_frames(90))
    (tmp_path / 'list.txt').write_text('a.mp4 0\n')
    cfg = load(name)
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        settings = {
            key: value
            for key, value in loader.dataset.items()
            if key not in ('type', 'ann_file', 'data_prefix')
        }
        dataset = VideoListDataset(
            ann_file=str(tmp_path / 'list.txt'), data_prefix=dict(video=str(tmp_path)), **settings
        )
        assert dataset[0]['inputs'].shape == shape


def test_the_two_clips_differ_in_time_and_augmentation(tmp_path):
    write_video(tmp_path / 'a.mp4', numbered_frames(200, size=(96, 160)))
    (tmp_path / 'list.txt').write_text('a.mp4 0\n')
    seen = []
    spy = dict(type='SampleWindow', num_frames=4, stride=3, num_windows=2, min_gap=60)
    dataset = VideoListDataset(
        ann_file=str(tmp_path / 'list.txt'),
        data_prefix=dict(video=str(tmp_path)),
        pipeline=[
            dict(type='VideoInit'),
            spy,
            dict(type='DecodeFrames'),
            dict(
                type='PerClip',
                transforms=[
                    lambda results: (
                        seen.append([read_number(i) for i in results['imgs']]) or results
                    ),
                    dict(
                        type='RandomResizedCrop',
                        area_range=(0.2, 0.766),
                        aspect_ratio_range=(3 / 4, 4 / 3),
                    ),
                    lambda results: seen.append(tuple(results['imgs'][0].shape)) or results,
                    dict(type='Resize', scale=(32, 32), keep_ratio=False),
                ],
            ),
            dict(type='FormatShape', input_format='NCTHW'),
            dict(type='PackActionInputs'),
        ],
    )
    for _ in range(5):
        dataset[0]
    numbers, shapes = seen[0::2], seen[1::2]
    for first, second in zip(numbers[0::2], numbers[1::2]):
        assert np.diff(first).tolist() == np.diff(second).tolist() == [3, 3, 3]
        assert abs(first[0] - second[0]) >= 60
    assert any(a != b for a, b in zip(shapes[0::2], shapes[1::2])), 'each clip has its own crop'
