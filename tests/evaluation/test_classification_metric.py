"""Accuracies of a classifier: each video once, ties at random, figures of a plain reference."""

import numpy as np
import pytest
import torch
from mmaction.registry import METRICS
from sklearn.metrics import balanced_accuracy_score, log_loss, top_k_accuracy_score

from mmssl_video.evaluation import classification_metric
from mmssl_video.evaluation.class_scores import expected_hits
from mmssl_video.evaluation.classification_metric import ClassificationMetric


def samples(probabilities, labels, first=0):
    return [
        dict(
            pred_score=torch.as_tensor(p),
            gt_label=torch.tensor([label]),
            sample_idx=i,
            name=f'class/video {i}.avi',
        )
        for i, (p, label) in enumerate(zip(probabilities, labels), first)
    ]


def random_case(videos=40, classes=9, seed=0):
    rng = np.random.default_rng(seed)
    scores = rng.random((videos, classes), dtype=np.float32)
    labels = rng.integers(0, classes, videos)
    return scores / scores.sum(1, keepdims=True), labels


def run(probabilities, labels, order=None, size=None):
    metric = METRICS.build(dict(type='ClassificationMetric'))
    given = samples(probabilities, labels)
    metric.process(None, [given[i] for i in (range(len(given)) if order is None else order)])
    return metric, metric.evaluate(size or len(given))


def test_figures_of_a_plain_reference():
    probabilities, labels = random_case()
    labels[:9] = range(9)
    metric, found = run(probabilities, labels)
    assert found == pytest.approx(
        {
            'acc/top1': top_k_accuracy_score(labels, probabilities, k=1, labels=range(9)),
            'acc/top5': top_k_accuracy_score(labels, probabilities, k=5, labels=range(9)),
            'acc/mean_class': balanced_accuracy_score(labels, probabilities.argmax(1)),
            'acc/loss': log_loss(labels, probabilities, labels=range(9)),
        },
        abs=1e-6,
    )
    output = metric.output()
    assert output.metrics == pytest.approx(
        {name: 100 * found[f'acc/{name}'] for name in ('top1', 'top5', 'mean_class')}
    )
    assert output.chance == pytest.approx({'top1': 100 / 9, 'top5': 500 / 9, 'mean_class': 100 / 9})
    assert output.details['loss'] == pytest.approx(found['acc/loss'])
    np.testing.assert_array_equal(output.probabilities, probabilities)


def test_videos_count_once_in_the_order_of_the_list():
    """A sampler repeats videos to fill a process's share, at any place of its order."""
    probabilities, labels = random_case(7)
    plain, wanted = run(probabilities, labels)
    metric, found = run(probabilities, labels, order=[6, 0, 0, 4, 5, 1, 1, 1, 3, 2])
    assert found == wanted
    assert metric.names == plain.names == [f'class/video {i}.avi' for i in range(7)]
    np.testing.assert_array_equal(metric.probabilities, probabilities)


def test_missing_videos_are_counted_aloud(monkeypatch):
    probabilities, labels = random_case(7)
    said = []
    monkeypatch.setattr(classification_metric, 'print_log', lambda text, *_: said.append(text))
    _, found = run(probabilities[:5], labels[:5], size=7)
    assert found == run(probabilities[:5], labels[:5])[1]
    assert len(said) == 1 and said[0].startswith('2 of the 7 videos could not be read')


@pytest.mark.parametrize('k', [1, 3])
def test_a_constant_classifier_gets_chance_and_a_perfect_one_everything(k):
    labels = np.arange(20) % 5
    assert expected_hits(np.full((20, 5), 0.2), labels, k) == pytest.approx(k / 5)
    assert (expected_hits(np.eye(5)[labels], labels, k) == 1).all()
    worst = 1 - np.eye(5)[labels]
    assert expected_hits(worst, labels, k).max() == 0


def test_topk_that_nobody_can_miss_is_left_out():
    probabilities, labels = random_case(10, 4)
    assert set(run(probabilities, labels)[1]) == {'acc/top1', 'acc/mean_class', 'acc/loss'}


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        (dict(pred_score=torch.tensor([2.0, -1.0])), "average_clips='prob'"),
        (dict(pred_score=torch.rand(3, 2)), "average_clips='prob'"),
    ],
)
def test_scores_must_be_probabilities(change, words):
    with pytest.raises(ValueError, match=words):
        ClassificationMetric().process(None, [dict(samples([[0.5, 0.5]], [0])[0], **change)])


@pytest.mark.parametrize('key', ['pred_score', 'gt_label', 'sample_idx', 'name'])
def test_what_a_sample_lacks_is_named(key):
    [sample] = samples([[0.5, 0.5]], [0])
    del sample[key]
    with pytest.raises(KeyError, match=f'no {key} in a prediction'):
        ClassificationMetric().process(None, [sample])


def test_labels_beyond_the_classes_of_the_model():
    with pytest.raises(ValueError, match='labels from 0 to 3 but the model tells 2 classes'):
        run(np.full((2, 2), 0.5, dtype=np.float32), [0, 3])


def test_no_prediction_at_all():
    with pytest.raises(RuntimeError, match='nothing to measure'):
        ClassificationMetric().evaluate(3)
