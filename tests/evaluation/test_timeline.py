"""Averages on the timeline, localisation, surprise and the metric of unintentional actions."""

import numpy as np
import pytest
import torch

from mmssl_video.datasets.transforms.unintentional import LabelUnintentionalSteps
from mmssl_video.evaluation.unintentional.localisation import (
    block_motion,
    discrepancy,
    localisation,
)
from mmssl_video.evaluation.unintentional.metric import UnintentionalActionMetric
from mmssl_video.evaluation.unintentional.timeline import (
    average_on_timeline,
    peak_hit,
    random_hit,
    unit_times,
)
from mmssl_video.results.surprise_curves import SurpriseCurve, draw_curves, save_curves


def plain_average(starts, length, values, total):
    """Mean over frames of the steps that cover them, frame by frame."""
    units = []
    for first in range(0, total, length):
        weights = [
            len(set(range(first, first + length)) & set(range(s, s + length))) for s in starts
        ]
        units.append(
            np.average(values, axis=0, weights=weights)
            if any(weights)
            else np.full(values.shape[1:], np.nan)
        )
    return np.array(units)


@pytest.mark.parametrize('total', [60, 63, 119])
def test_averages_equal_the_plain_reference(total):
    rng = np.random.default_rng(0)
    starts = rng.integers(0, total, 9)
    values = rng.normal(size=(9, 3))
    found, weights = average_on_timeline(starts, 15, values, total)
    np.testing.assert_allclose(found, plain_average(starts, 15, values, total))
    assert (weights > 0).tolist() == (~np.isnan(found[:, 0])).tolist()


def test_windows_that_move_by_whole_steps_give_plain_means():
    """Two windows of three blocks, the second two blocks on: the shared block is averaged."""
    starts, values = np.array([10, 20, 30, 40]), np.array([1.0, 2.0, 4.0, 8.0])
    starts = np.concatenate([starts[:2], [20, 30]])
    found, _ = average_on_timeline(starts, 10, values, 45)
    np.testing.assert_array_equal(found, [np.nan, 1.0, 3.0, 8.0, np.nan])


def test_times_are_the_middles_of_units():
    assert unit_times(50, 20, 10).tolist() == [1.0, 3.0, 4.5]


def test_a_peak_is_found_within_the_distance():
    times, curve = np.array([0.5, 1.5, 2.5, 3.5]), np.array([np.nan, 1.0, 3.0, 2.0])
    assert [peak_hit(times, curve, failure, 0.25) for failure in (2.2, 2.25, 2.75, 2.8)] == [
        0,
        1,
        1,
        0,
    ]
    assert peak_hit(times, np.array([1.0, 2.0, 2.0, 0.0]), 1.4, 0.25) == 0.5  # two equal peaks
    assert peak_hit(times, np.ones(4), 1.4, 1.0) == 0.5


def test_a_random_moment_is_what_a_flat_curve_gets_in_the_long_run():
    times = unit_times(10000, 1, 1000)
    for failure in (0.1, 4.0, 9.9):
        for within in (0.25, 1.0):
            assert random_hit(10.0, failure, within) == pytest.approx(
                peak_hit(times, np.zeros(10000), failure, within), abs=1e-3
            )


def test_discrepancy_is_the_mean_cosine_distance_of_places():
    torch.manual_seed(0)
    true, predicted = torch.randn(2, 3, 5, 2, 2), torch.randn(2, 3, 5, 2, 2)
    slow = [
        [
            np.mean(
                [
                    1 - float(a @ b / (a.norm() * b.norm()))
                    for a, b in zip(true[i, t].flatten(1).T, predicted[i, t].flatten(1).T)
                ]
            )
            for t in range(3)
        ]
        for i in range(2)
    ]
    np.testing.assert_allclose(discrepancy(true, predicted), slow, rtol=1e-5)
    assert discrepancy(true, 3 * true).abs().max() < 1e-6
    torch.testing.assert_close(discrepancy(true, -true), torch.full((2, 3), 2.0))


def test_motion_of_a_block_is_from_the_frame_before_it_to_its_last():
    windows = torch.zeros(1, 3, 3, 2, 4, 4, dtype=torch.uint8)
    frames = [0, 5, 7, 7, 17, 200]  # grey levels of the six frames of three blocks
    for i, level in enumerate(frames):
        windows[0, i // 2, :, i % 2] = level
    assert block_motion(windows).tolist() == [[(2 + 0) / 2, (10 + 183) / 2]]


def curve(peak, failure, duration=10.0, motion=None):
    times = np.arange(0.5, duration)
    return SurpriseCurve(
        'v',
        times,
        np.exp(-np.abs(times - peak)),
        np.exp(-np.abs(times - (peak if motion is None else motion))),
        duration,
        failure,
    )


def test_localisation_with_its_baselines():
    curves = [
        curve(3.5, 3.4, motion=9.5),
        curve(7.5, 6.6),
        curve(2.5, 8.0),
        curve(5.5, 5.2, 10.4, motion=0.5),
    ]
    found = localisation(curves)
    assert found['surprise'].metrics == {'within_1s': 75.0, 'within_0.25s': 25.0}
    assert found['motion peak'].metrics == {'within_1s': 25.0, 'within_0.25s': 0.0}
    assert found['middle of the video'].metrics == {'within_1s': 25.0, 'within_0.25s': 25.0}
    assert found['surprise'].chance['within_1s'] == pytest.approx(100 * (3 * 0.2 + 2 / 10.4) / 4)


def test_curves_are_saved_and_drawn(tmp_path):
    curves = [curve(3.5, float('nan')), curve(2.5, 2.0, 6.0)]
    save_curves(tmp_path / 'c.npz', curves, dict(protocol='x'))
    draw_curves(tmp_path / 'c.png', curves)
    with np.load(tmp_path / 'c.npz') as file:
        assert file['counts'].tolist() == [10, 6]
        np.testing.assert_array_equal(file['surprise'][10:], curves[1].surprise)
        assert np.isnan(file['failure'][0]) and file['failure'][1] == 2.0
    assert (tmp_path / 'c.png').stat().st_size > 5000


# -- the metric ---------------------------------------------------------------------------------
def video(index, windows=2, num_blocks=4, failure=27.0, total=60, fps=10.0, scores=None):
    """A tested video: windows of 4 blocks of 10 frames, 2 blocks apart."""
    starts = (20 * np.arange(windows)[:, None] + 10 * np.arange(num_blocks)).reshape(-1)
    rng = np.random.default_rng(index)
    if scores is None:
        scores = rng.dirichlet(np.ones(3), (windows, num_blocks - 1))
    return dict(
        step_scores=torch.as_tensor(scores),
        sample_idx=index,
        name=f'v{index}.mp4',
        total_frames=total,
        avg_fps=fps,
        step_starts=starts,
        step_frames=10,
        failure_frame=failure,
    )


def evaluate(samples, size=None):
    metric = UnintentionalActionMetric()
    metric.process(None, samples)
    return metric, metric.evaluate(len(samples) if size is None else size)


def test_metric_equals_a_plain_count():
    samples = [video(i, failure=5 + 6.0 * i) for i in range(8)]
    metric, found = evaluate(samples)
    rights, videos = {0: [], 1: [], 2: []}, {0: set(), 1: set(), 2: set()}
    for number, sample in enumerate(samples):
        scores = sample['step_scores'].numpy()
        # unit u: block u of the first window, block u - 2 of the second
        units = {
            1: scores[0, 0],
            2: scores[0, 1],
            3: (scores[0, 2] + scores[1, 0]) / 2,
            4: scores[1, 1],
            5: scores[1, 2],
        }
        for unit, values in units.items():
            first = 10 * unit
            label = (
                0
                if first + 10 <= sample['failure_frame']
                else 2
                if first > sample['failure_frame']
                else 1
            )
            rights[label].append(values.argmax() == label)
            videos[label].add(number)
    everything = sum(rights.values(), [])
    assert found['oops/top1'] == pytest.approx(np.mean(everything))
    classes = ['intentional', 'transitioning', 'unintentional']
    for label, name in enumerate(classes):
        assert found[f'oops/{name}'] == pytest.approx(np.mean(rights[label]))
    assert found['oops/mean_class'] == pytest.approx(np.mean([np.mean(r) for r in rights.values()]))
    output = metric.output()
    assert output.metrics['top1'] == pytest.approx(100 * found['oops/top1'])
    assert output.details['queries'] == {
        'top1': 8,
        'mean_class': 8,
        'within_1s': 8,
        'within_0.25s': 8,
        **{name: len(videos[label]) for label, name in enumerate(classes)},
    }
    assert output.details['uncovered_units'] == 8
    most = max(map(len, rights.values()))
    assert output.details['majority_class']['top1'] == pytest.approx(100 * most / 40)
    assert output.details['majority_class']['mean_class'] == pytest.approx(100 / 3)
    assert len(metric.names) == len(metric.labels) == len(metric.probabilities) == 40
    assert metric.names[0] == 'v0.mp4 1.50 s'


def test_a_perfect_classifier_gets_100_and_a_constant_one_chance():
    def samples(constant):
        for i in range(6):
            sample = video(i, failure=13.0 + 7 * i)
            from mmssl_video.datasets.transforms.unintentional import label_spans

            labels = label_spans(sample['step_starts'], 10, sample['failure_frame'])
            scores = np.eye(3)[labels.reshape(2, 4)[:, 1:]]
            yield dict(
                sample,
                step_scores=torch.as_tensor(np.ones_like(scores) / 3 if constant else scores),
            )

    perfect, constant = (evaluate(list(samples(c)))[1] for c in (False, True))
    assert perfect['oops/top1'] == perfect['oops/mean_class'] == perfect['oops/within_1s'] == 1
    assert perfect['oops/loss'] == 0
    assert constant['oops/top1'] == pytest.approx(1 / 3)
    assert constant['oops/loss'] == pytest.approx(np.log(3))


def test_a_video_given_twice_counts_once():
    once = evaluate([video(i) for i in range(3)])[1]
    twice = evaluate([video(i) for i in (0, 1, 2, 0)], 3)[1]
    assert once == twice


def test_what_the_metric_lacks_is_named():
    sample = video(0)
    del sample['failure_frame'], sample['step_scores']
    with pytest.raises(KeyError, match='finds no failure_frame, step_scores.*LabelUn'):
        UnintentionalActionMetric().process(None, [sample])
    assert set(LabelUnintentionalSteps.META_KEYS) == set(video(0)) - {'step_scores'}
