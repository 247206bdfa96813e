"""k-NN against a plain reference; ties, duplicates, constant and perfect encoders."""

import math

import numpy as np
import pytest

from mmssl_video.evaluation import get_protocol

plain, weighted = get_protocol('knn/cosine'), get_protocol('knn/weighted')


def reference(gallery, gallery_labels, query, query_labels, k, temperature=None):
    """The documented rule, with Python loops."""
    classes, total = sorted(set(gallery_labels.tolist())), 0.0
    for feature, label in zip(query, query_labels):
        scores = [
            round(
                float(
                    feature @ other / max(np.linalg.norm(feature) * np.linalg.norm(other), 1e-30)
                ),
                9,
            )
            for other in gallery
        ]
        last = sorted(scores, reverse=True)[k - 1]
        above, tied = sum(s > last for s in scores), scores.count(last)
        votes, sums = dict.fromkeys(classes, 0.0), dict.fromkeys(classes, 0.0)
        for score, owner in zip(scores, gallery_labels.tolist()):
            share = 1.0 if score > last else (k - above) / tied if score == last else 0.0
            votes[owner] += share * (math.exp(score / temperature) if temperature else 1.0)
            sums[owner] += share * score
        best = [c for c in classes if math.isclose(votes[c], max(votes.values()), rel_tol=1e-7)]
        if temperature is None:
            top = max(sums[c] for c in best)
            best = [c for c in best if math.isclose(sums[c], top, rel_tol=1e-7, abs_tol=1e-7)]
        total += (label in best) / len(best)
    return 100 * total / len(query)


@pytest.mark.parametrize('chunk_size', [4, 4096])
@pytest.mark.parametrize('k', [1, 4, 9])
@pytest.mark.parametrize('ties', [False, True])
def test_equals_a_plain_reference(k, chunk_size, ties):
    rng = np.random.default_rng(k)
    if ties:
        gallery, query = rng.integers(-1, 2, (20, 2)), rng.integers(-1, 2, (15, 2))
    else:
        gallery, query = rng.normal(size=(20, 4)), rng.normal(size=(15, 4))
    gallery, query = gallery.astype('f').astype('d'), query.astype('f').astype('d')
    gallery_labels, query_labels = np.arange(20) % 4, rng.integers(0, 4, 15)
    found = plain(gallery, gallery_labels, query, query_labels, k=k, chunk_size=chunk_size)
    expected = reference(gallery, gallery_labels, query, query_labels, k)
    assert found.metrics['top1'] == pytest.approx(expected)
    found = weighted(
        gallery, gallery_labels, query, query_labels, k=k, chunk_size=chunk_size, temperature=0.5
    )
    expected = reference(gallery, gallery_labels, query, query_labels, k, temperature=0.5)
    assert found.metrics['top1'] == pytest.approx(expected)


def test_weights_can_overrule_the_majority():
    # One video of class 0 in the query's direction, two of class 1 at 60 degrees.
    gallery = np.array([[1, 0], [0.5, 0.866], [0.5, -0.866]])
    arrays = (gallery, [0, 1, 1], [[1, 0]], [0])
    assert plain(*arrays, k=3).metrics['top1'] == 0
    assert weighted(*arrays, k=3, temperature=0.07).metrics['top1'] == 100


def test_equal_votes_go_to_the_nearer_class():
    gallery = np.array([[1, 0], [0.8, 0.6]])
    assert plain(gallery, [0, 1], [[1, 0]], [0], k=2).metrics['top1'] == 100
    assert plain(gallery, [1, 0], [[1, 0]], [0], k=2).metrics['top1'] == 0


@pytest.mark.parametrize('protocol', [plain, weighted])
def test_constant_and_perfect_encoders(protocol):
    labels = np.arange(40) % 8
    constant = np.full((40, 6), 0.7)
    found = protocol(constant, labels, constant, labels, k=5)
    assert found.metrics['top1'] == pytest.approx(12.5)
    assert found.chance['top1'] == 12.5
    perfect = np.eye(8)[labels]
    assert protocol(perfect, labels, perfect, labels, k=5).metrics['top1'] == 100
    # On an unbalanced gallery a constant encoder always answers the largest class.
    gallery_labels = np.repeat([0, 1], [30, 10])
    found = protocol(constant, gallery_labels, constant[:4], [0, 0, 0, 1], k=5)
    assert found.metrics['top1'] == pytest.approx(75)


def test_a_small_gallery_votes_as_a_whole_and_says_so():
    found = plain(np.eye(3), [0, 1, 2], np.eye(3), [0, 1, 2], k=20)
    assert found.details['k'] == 3


@pytest.mark.parametrize(
    'options, words',
    [
        (dict(k=0), 'k must be a whole number greater than 0'),
        (dict(temperature=0), 'temperature must be a number greater than 0'),
    ],
)
def test_options_are_checked(options, words):
    with pytest.raises(ValueError, match=words):
        weighted(np.eye(2), [0, 1], np.eye(2), [0, 1], **options)
