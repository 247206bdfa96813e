"""The cached linear probe: right optimum, honest selection, no look at test labels."""

import numpy as np
import pytest
import torch

from mmssl_video.evaluation import get_protocol
from mmssl_video.evaluation import linear as module
from mmssl_video.evaluation.class_scores import classification_output, stratified_folds
from mmssl_video.evaluation.linear import LinearProbe, select_penalty

probe = get_protocol('linear/cached')


def clusters(count, spread, seed, classes=4, width=10):
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(0).normal(size=(classes, width))
    labels = np.arange(count) % classes
    return centres[labels] + spread * rng.normal(size=(count, width)), labels


def test_separable_classes_are_separated_and_noise_is_not():
    gallery, gallery_labels = clusters(80, 0.05, 1)
    query, query_labels = clusters(40, 0.05, 2)
    assert probe(gallery, gallery_labels, query, query_labels).metrics['top1'] == 100
    rng = np.random.default_rng(0)
    found = probe(
        rng.normal(size=(200, 10)),
        np.arange(200) % 4,
        rng.normal(size=(400, 10)),
        np.arange(400) % 4,
    )
    assert 15 < found.metrics['top1'] < 35


@pytest.mark.parametrize('penalty', [1.0, 1e-2])
def test_the_fit_is_the_optimum(penalty):
    """The gradient, written out in NumPy, vanishes on standardised features."""
    features, targets = clusters(60, 1.0, 1)
    fitted = LinearProbe(4, max_iter=500).fit(features, targets, penalty)
    inputs = (features - features.mean(0)) / features.std(0)
    scores = inputs @ fitted.weight.numpy() + fitted.bias.numpy()
    assert np.allclose(fitted.scores(features), scores)
    odds = np.exp(scores - scores.max(1, keepdims=True))
    error = (odds / odds.sum(1, keepdims=True) - np.eye(4)[targets]) / len(inputs)
    assert np.abs(inputs.T @ error + penalty * fitted.weight.numpy()).max() < 1e-5
    assert np.abs(error.sum(0)).max() < 1e-5


def test_scale_and_shift_of_features_do_not_matter():
    features, targets = clusters(60, 1.0, 1)
    scores = LinearProbe(4).fit(features, targets, 0.1).scores(features)
    changed = 1000 * features + 3
    assert torch.allclose(
        LinearProbe(4).fit(changed, targets, 0.1).scores(changed), scores, atol=1e-4
    )


def test_scores_before_a_fit_are_refused():
    with pytest.raises(RuntimeError, match='fit it before'):
        LinearProbe(4).scores(np.zeros((2, 3)))


def test_test_labels_change_nothing_but_the_figure(monkeypatch):
    fits = []
    original = LinearProbe.fit

    def spy(self, *arguments):
        result = original(self, *arguments)
        fits.append((self.weight.clone(), self.bias.clone()))
        return result

    monkeypatch.setattr(module.LinearProbe, 'fit', spy)
    gallery, gallery_labels = clusters(60, 1.0, 1)
    query, query_labels = clusters(30, 1.0, 2)
    first = probe(gallery, gallery_labels, query, query_labels)
    first_fits, fits = fits, []
    second = probe(gallery, gallery_labels, query, (query_labels + 1) % 4)
    assert len(fits) == len(first_fits) > 1
    for (weight, bias), (other_weight, other_bias) in zip(fits, first_fits):
        assert torch.equal(weight, other_weight) and torch.equal(bias, other_bias)
    assert first.details == second.details
    assert first.metrics['top1'] > second.metrics['top1']


def test_test_features_do_not_reach_the_training():
    gallery, gallery_labels = clusters(60, 1.0, 1)
    query, query_labels = clusters(30, 1.0, 2)
    near = probe(gallery, gallery_labels, query, query_labels)
    far = probe(gallery, gallery_labels, query * 100 + 7, query_labels)
    assert near.details == far.details


def test_same_seed_same_result_and_other_seed_other_split():
    gallery, gallery_labels = clusters(60, 2.0, 1)
    query, query_labels = clusters(30, 2.0, 2)
    runs = [probe(gallery, gallery_labels, query, query_labels, seed=seed) for seed in (0, 0, 1)]
    assert runs[0] == runs[1]
    assert (stratified_folds(gallery_labels, 5, 0) != stratified_folds(gallery_labels, 5, 1)).any()


def test_a_useful_penalty_is_chosen():
    """Many noisy dimensions and few videos: a weak penalty over-fits, and is not taken."""
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 2
    features = rng.normal(size=(60, 300)) + 0.25 * (2 * labels - 1)[:, None]
    penalty, accuracy = select_penalty(features, labels, 2, validations=5)
    worst = LinearProbe(2).fit(features[:48], labels[:48], 1e-5)
    single = 100 * float((worst.scores(features[48:]).argmax(1).numpy() == labels[48:]).mean())
    assert accuracy >= 90 and accuracy >= single
    assert penalty in module.PENALTIES


def test_folds_are_stratified_and_level():
    targets = np.repeat([0, 1, 2], [10, 7, 3])
    fold = stratified_folds(targets, 5)
    assert np.bincount(fold).tolist() == [4, 4, 4, 4, 4]
    for label, count in ((0, 10), (1, 7), (2, 3)):
        counts = np.bincount(fold[targets == label], minlength=5)
        assert counts.sum() == count and counts.max() - counts.min() <= 1


def test_a_constant_encoder_gets_chance_and_constant_dimensions_do_no_harm():
    labels = np.arange(40) % 8
    found = probe(np.full((40, 6), 0.1), labels, np.full((16, 6), 0.1), np.arange(16) % 8)
    assert found.metrics['top1'] == 12.5 == found.chance['top1']
    gallery, gallery_labels = clusters(60, 0.05, 1)
    padded = np.hstack([gallery, np.full((60, 3), 1e6)])
    assert probe(padded, gallery_labels, padded, gallery_labels).metrics['top1'] == 100


def test_ties_of_class_scores_count_by_expectation():
    labels = np.array([0, 0, 0, 1, 5])  # whatever the queries, a constant classifier guesses
    classes = np.arange(10)
    found = classification_output(np.zeros((5, 10)), classes, labels, {})
    assert found.metrics == pytest.approx(dict(top1=10, top5=50)) == found.chance
    scores = np.eye(10)[labels]
    scores[0, 7] = 1  # two best
    assert classification_output(scores, classes, labels, {}).metrics['top1'] == 90
    assert classification_output(scores * np.nan, classes, labels, {}).metrics['top5'] == 0


def test_top5_only_where_there_are_more_than_five_classes():
    four = clusters(40, 0.1, 1)
    assert 'top5' not in probe(*four, *four).metrics
    eight = clusters(80, 3.0, 1, classes=8)
    metrics = probe(*eight, *clusters(80, 3.0, 2, classes=8)).metrics
    assert metrics['top1'] < metrics['top5'] < 100


@pytest.mark.parametrize(
    'options, words',
    [
        (dict(penalties=()), 'penalties'),
        (dict(folds=1), 'folds >= 2'),
        (dict(validations=9), 'validations <= folds'),
    ],
)
def test_options_are_checked(options, words):
    arrays = clusters(20, 1.0, 1)
    with pytest.raises(ValueError, match=words):
        probe(*arrays, *arrays, **options)


def test_one_training_video_is_too_few():
    with pytest.raises(ValueError, match='at least 2 training videos'):
        probe(np.ones((1, 3)), [0], np.ones((1, 3)), [0])
