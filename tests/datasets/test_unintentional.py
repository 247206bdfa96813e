"""Videos with a failure: list, windows that oversample it, labels of steps, demo videos."""

import json

import numpy as np
import pytest
from mmaction.registry import DATASETS, TRANSFORMS

from helpers.videos import numbered_frames, read_number, write_video
from mmssl_video.datasets import OopsDataset
from mmssl_video.datasets.demo_videos import make_demo_videos, render_video
from mmssl_video.datasets.errors import BadVideoError, ShortVideoError
from mmssl_video.datasets.transforms.unintentional import (
    LabelUnintentionalSteps,
    SampleUnintentionalWindow,
    label_spans,
)


def results(total=120, failure=2.0, fps=25.0):
    return dict(
        filename='v.mp4', name='v.mp4', total_frames=total, avg_fps=fps, failure_time=failure
    )


def steps(window, total=120, failure=2.0, num_blocks=4):
    """Labels and starts of the blocks of sampled windows, ``[W, N]``."""
    found = window.transform(results(total, failure))
    found['clip_len'] //= num_blocks
    found['num_clips'] *= num_blocks
    found = LabelUnintentionalSteps().transform(found)
    return found['label'].reshape(-1, num_blocks), found['step_starts'].reshape(-1, num_blocks)


def test_labels_of_spans():
    """Frames 10..14 hold 10, 12.5 and 14.9; 15 belongs to the next piece."""
    starts = np.array([0, 5, 10, 15])
    for failure, wanted in (
        (10, [0, 0, 1, 2]),
        (12.5, [0, 0, 1, 2]),
        (14.9, [0, 0, 1, 2]),
        (15, [0, 0, 0, 1]),
        (0, [1, 2, 2, 2]),
        (20, [0, 0, 0, 0]),
    ):
        assert label_spans(starts, 5, failure).tolist() == wanted


@pytest.mark.parametrize('stride', [1, 3])
def test_labels_of_steps_equal_a_look_at_every_frame(stride):
    window = SampleUnintentionalWindow(8, stride, 4)
    for failure in np.linspace(0, 4.79, 50):
        labels, starts = steps(window, failure=failure)
        frame = failure * 25
        for label, start in zip(labels[0], starts[0]):
            before = [frame >= i + 1 for i in range(start, start + 2 * stride)]
            after = [frame < i for i in range(start, start + 2 * stride)]
            wanted = 0 if all(before) else 2 if all(after) else 1
            assert label == wanted, (failure, start)


def test_padding_behind_a_short_video_has_no_label():
    labels, starts = steps(SampleUnintentionalWindow(8, 3, 4), total=13, failure=0.3)
    assert starts.tolist() == [[0, 6, 12, 18]]
    assert labels.tolist() == [[0, 1, 2, -1]]


def test_sliding_windows_cover_the_end():
    window = SampleUnintentionalWindow(8, 3, 4, mode='sliding', step_frames=12)
    starts = steps(window, total=60)[1]
    assert starts[:, 0].tolist() == [0, 12, 24, 36, 38]  # a window spans 22 frames
    exact = SampleUnintentionalWindow(8, 3, 4, mode='sliding', step_frames=12).transform(
        results(58)
    )
    assert exact['window_starts'].tolist() == [0, 12, 24, 36]
    assert exact['frame_inds'].max() == 57
    plain = SampleUnintentionalWindow(8, 3, 4, mode='sliding', step_frames=12, cover_end=False)
    assert plain.transform(results(60))['window_starts'].tolist() == [0, 12, 24, 36]


@pytest.mark.parametrize('probability', [0, 0.3, 0.8, 1])
def test_failure_probability_is_that_of_a_classified_transitioning_step(probability):
    np.random.seed(0)
    window = SampleUnintentionalWindow(8, 3, 4, failure_probability=probability)
    found = [steps(window, 200, 4.0)[0][0, 1:] for _ in range(2000)]
    share = np.mean([1 in labels for labels in found])
    assert share == pytest.approx(probability, abs=0.03)
    assert all((labels == 1).sum() <= 1 for labels in found)


def test_all_starts_are_drawn_and_alike():
    """Of both kinds of starts each is as likely as any other of its kind."""
    np.random.seed(0)
    window = SampleUnintentionalWindow(8, 1, 4, failure_probability=0.5)
    count = {}
    for _ in range(6000):
        start = int(window.transform(results(40, 0.8))['window_starts'][0])
        count[start] = count.get(start, 0) + 1
    inside = [s for s in range(33) if s + 2 <= 20 < s + 8]
    assert sorted(count) == list(range(33))
    for kind in (inside, [s for s in range(33) if s not in inside]):
        assert sum(count[s] for s in kind) == pytest.approx(3000, abs=200)
        expected = 3000 / len(kind)
        assert all(abs(count[s] - expected) < 5 * expected**0.5 for s in kind)


def test_where_one_kind_of_start_is_missing_the_other_is_drawn():
    np.random.seed(0)
    always, never = (SampleUnintentionalWindow(8, 1, 4, failure_probability=p) for p in (1, 0))
    # in the first block of the only window: no classified step can hold it
    assert steps(always, total=8, failure=0.04)[0].tolist() == [[1, 2, 2, 2]]
    # wherever the window lies, it holds the failure
    assert all(1 in steps(never, total=9, failure=0.2)[0] for _ in range(20))


def test_class_frequencies_with_and_without_oversampling():
    """On videos as long as those of Oops: what the configs' class weights rest on."""
    frequencies = {}
    for probability in (None, 0.8):
        np.random.seed(0)
        rng = np.random.default_rng(0)
        window = SampleUnintentionalWindow(40, 3, 8, failure_probability=probability)
        counts = np.zeros(3)
        for _ in range(1500):
            total = int(30 * np.clip(rng.lognormal(np.log(8), 0.5), 3.2, 30))
            failure = np.clip(rng.normal(0.45, 0.18), 0.02, 0.98) * total / 25
            labels = steps(window, total, failure, 8)[0][0, 1:]
            counts += np.bincount(labels[labels >= 0], minlength=3)
        frequencies[probability] = counts / counts.sum()
    assert frequencies[None][1] == pytest.approx(0.087, abs=0.01)
    assert frequencies[0.8] == pytest.approx([0.35, 0.12, 0.53], abs=0.02)
    weighted = frequencies[0.8] * (1, 3, 0.65)  # configs/_base_/models/unintentional_r18.py
    assert weighted / weighted.sum() == pytest.approx([1 / 3] * 3, abs=0.02)


@pytest.mark.parametrize(
    'arguments, message',
    [
        (dict(short='loop'), "short='loop' would show frames before the failure again"),
        (dict(num_blocks=3), 'divide num_frames=40, got 3'),
        (dict(num_blocks=1), 'at least 2'),
        (dict(failure_probability=1.5), r'lies in \[0, 1\], got 1.5'),
        (dict(failure_probability=0.5, mode='sliding'), "for mode='random'"),
    ],
)
def test_settings_that_make_no_sense(arguments, message):
    with pytest.raises(ValueError, match=message):
        SampleUnintentionalWindow(**arguments)


def test_what_a_video_may_lack():
    window = SampleUnintentionalWindow(8, 1, 4, failure_probability=1)
    with pytest.raises(BadVideoError, match='ends after 4.80 s, before its failure at 5 s'):
        window.transform(results(failure=5.0))
    with pytest.raises(ValueError, match='names no frame rate'):
        window.transform(results(fps=0))
    with pytest.raises(ValueError, match='use OopsDataset'):
        window.transform(dict(results(), failure_time=None))
    with pytest.raises(ShortVideoError):
        SampleUnintentionalWindow(40, 3, 8, short='drop').transform(results(50))


PIPELINE = [
    dict(type='VideoInit'),
    dict(
        type='SampleUnintentionalWindow',
        num_frames=8,
        stride=2,
        num_blocks=4,
        mode='sliding',
        step_frames=8,
    ),
    dict(type='DecodeFrames'),
    dict(type='SplitBlocks', num_blocks=4),
    dict(type='LabelUnintentionalSteps'),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs', meta_keys=LabelUnintentionalSteps.META_KEYS),
]


def dataset(folder, text, **kwargs):
    (folder / 'list.txt').write_text(text)
    return DATASETS.build(
        dict(
            type='OopsDataset',
            ann_file=str(folder / 'list.txt'),
            pipeline=PIPELINE,
            test_mode=True,
            data_prefix=dict(video=str(folder)),
            **kwargs,
        )
    )


def test_a_real_video_from_the_list_to_labelled_blocks(tmp_path):
    write_video(tmp_path / 'a b.mp4', numbered_frames(40), fps=20)
    videos = dataset(tmp_path, 'a b.mp4 1.05\n')
    assert isinstance(videos, OopsDataset) and videos.metainfo['classes'][1] == 'transitioning'
    assert videos.get_data_info(0)['failure_time'] == 1.05
    sample = videos[0]
    meta, frames = sample['data_samples'].metainfo, sample['inputs']
    assert meta['name'] == 'a b.mp4' and meta['step_frames'] == 4
    assert meta['failure_frame'] == 21
    assert frames.shape[:2] == (20, 3)  # windows at 0, 8, 16, 24 and, at the end, 25
    labels = sample['data_samples'].gt_label
    for start, label, block in zip(meta['step_starts'], labels, frames):
        shown = [read_number(frame.numpy().transpose(1, 2, 0)) for frame in block.movedim(1, 0)]
        assert shown == [start, start + 2]
        assert label == (0 if start + 4 <= 21 else 2 if start > 21 else 1)


@pytest.mark.parametrize('line', ['v.mp4', 'v.mp4 -1', 'v.mp4 nan', 'v.mp4 soon', '3.5'])
def test_lines_without_a_time_are_refused(tmp_path, line):
    with pytest.raises(ValueError, match=r'line 2: .* is no "path SECONDS"'):
        dataset(tmp_path, f'a.mp4 2\n{line}\n', check_files=False)


SMALL = dict(classes=2, per_class=3, size=(32, 48), frames=20, fps=10, test_share=0.34)


def test_demo_videos_with_failures(tmp_path):
    assert make_demo_videos(tmp_path, failures=True, **SMALL)
    assert not make_demo_videos(tmp_path, failures=True, **SMALL)
    lines = [
        line
        for name in ('train', 'test')
        for line in (tmp_path / f'{name}.txt').read_text().splitlines()
    ]
    times = [float(line.rsplit(' ', 1)[1]) for line in lines]
    assert len(lines) == 6 and all(0.5 <= time <= 1.5 for time in times)
    assert len(set(times)) == 6
    assert json.loads((tmp_path / 'meta.json').read_text())['failures'] is True
    videos = DATASETS.build(
        dict(
            type='OopsDataset',
            ann_file=str(tmp_path / 'train.txt'),
            test_mode=True,
            pipeline=[
                dict(step, step_frames=2, num_frames=4, num_blocks=4, stride=1)
                if step['type'] == 'SampleUnintentionalWindow'
                else step
                for step in PIPELINE
            ],
            data_prefix=dict(video=str(tmp_path / 'videos')),
        )
    )
    for sample in videos:
        assert sorted(set(sample['data_samples'].gt_label.tolist())) == [0, 1, 2]
    with pytest.raises(FileExistsError, match='another failures'):
        make_demo_videos(tmp_path, **SMALL)


def test_a_failure_changes_nothing_before_it_and_much_after():
    def render(failure):
        return render_video('orbit', np.random.default_rng(0), (48, 64), 40, 10, failure)

    plain, failing = render(None), render(2.05)
    assert (plain[:21] == failing[:21]).all()
    differences = np.abs(plain[21:].astype(int) - failing[21:]).mean((1, 2, 3))
    assert differences.min() > 0 and differences[5:].min() > 5
    rest = failing[-8:].astype(int)  # on the ground: only the camera moves
    assert (
        np.abs(np.diff(rest, axis=0)).mean() < np.abs(np.diff(plain[:8].astype(int), axis=0)).mean()
    )


def test_older_checkpoints_and_configs_find_the_transforms():
    old = dict(type='SampleFailureWindow', num_frames=8, stride=1, num_blocks=4)
    assert type(TRANSFORMS.build(old)) is SampleUnintentionalWindow
    assert type(TRANSFORMS.build(dict(type='LabelSteps'))) is LabelUnintentionalSteps
