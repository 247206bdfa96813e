"""Retrieval against a plain reference; ties, duplicates, constant and perfect encoders."""

import itertools
import math
import sys

import numpy as np
import pytest

from helpers.tiny_run import run
from mmssl_video.evaluation import get_protocol, list_protocols
from mmssl_video.evaluation.cosine_scores import CosineScores, cosine_chunks, unit_rows
from mmssl_video.evaluation.retrieval import KS, recall_at_k, retrieval_chance

retrieval = get_protocol('retrieval/context-mean-cosine')


def cosine(a, b):
    length = math.sqrt(sum(x * x for x in a)) * math.sqrt(sum(x * x for x in b))
    return sum(x * y for x, y in zip(a, b)) / length if length else 0.0


def plain_recall(gallery, gallery_labels, query, query_labels, k):
    """Mean over queries and over every order of equally near videos, by enumeration."""
    total = 0.0
    for feature, label in zip(query.tolist(), query_labels):
        scores = [round(cosine(feature, other), 9) for other in gallery.tolist()]
        ranked = sorted(range(len(scores)), key=lambda i: -scores[i])
        last = scores[ranked[min(k, len(ranked)) - 1]]
        sure = [i for i in ranked if scores[i] > last]
        tied = [i for i in ranked if scores[i] == last]
        choices = list(itertools.combinations(tied, min(k, len(ranked)) - len(sure)))
        hits = sum(any(gallery_labels[i] == label for i in [*sure, *choice]) for choice in choices)
        total += hits / len(choices)
    return 100 * total / len(query)


@pytest.mark.parametrize('chunk_size', [3, 7, 4096])
def test_equals_a_plain_reference_on_random_features(chunk_size):
    rng = np.random.default_rng(0)
    gallery, query = rng.normal(size=(23, 5)).astype('f'), rng.normal(size=(17, 5)).astype('f')
    gallery_labels, query_labels = np.arange(23) % 4, rng.integers(0, 4, 17)
    found = retrieval(
        gallery, gallery_labels, query, query_labels, ks=(1, 2, 5, 10), chunk_size=chunk_size
    )
    for k in (1, 2, 5, 10):
        expected = plain_recall(gallery, gallery_labels, query, query_labels, k)
        assert found.metrics[f'R@{k}'] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize('seed', range(5))
@pytest.mark.parametrize('chunk_size', [4, 4096])
def test_equals_a_plain_reference_with_ties_and_duplicates(seed, chunk_size):
    rng = np.random.default_rng(seed)
    # Few small whole numbers: many duplicates, zero rows and equal angles between unequal rows.
    gallery = rng.integers(-1, 2, (12, 2)).astype('f')
    query = rng.integers(-1, 2, (9, 2)).astype('f')
    gallery_labels, query_labels = np.arange(12) % 3, rng.integers(0, 3, 9)
    found = retrieval(
        gallery, gallery_labels, query, query_labels, ks=(1, 3, 6, 12), chunk_size=chunk_size
    )
    for k in (1, 3, 6, 12):
        expected = plain_recall(gallery, gallery_labels, query, query_labels, k)
        assert found.metrics[f'R@{k}'] == pytest.approx(expected, abs=1e-9)


def test_duplicates_count_the_same_in_every_order():
    rng = np.random.default_rng(1)
    gallery = np.repeat(rng.normal(size=(10, 64)), 3, axis=0).astype('f')
    labels, query, query_labels = rng.integers(0, 2, 30), gallery[::2] * 3, rng.integers(0, 2, 15)
    labels[:2] = 0, 1
    before = retrieval(gallery, labels, query, query_labels, ks=(1, 2, 4))
    order = rng.permutation(30)
    after = retrieval(gallery[order], labels[order], query, query_labels, ks=(1, 2, 4))
    assert before.metrics == pytest.approx(after.metrics, abs=1e-9)


@pytest.mark.parametrize('value', [0.0, 1.0, 0.3])
def test_a_constant_encoder_gets_exactly_chance(value):
    gallery_labels = np.repeat([0, 1, 2], [20, 5, 11])
    query_labels = np.array([0, 1, 1, 2])
    found = retrieval(
        np.full((36, 7), value),
        gallery_labels,
        np.full((4, 7), value),
        query_labels,
        ks=(1, 5, 20, 50),
    )
    assert found.metrics == pytest.approx(found.chance, abs=1e-9)
    for k in (1, 5, 20):
        expected = np.mean([1 - math.comb(36 - n, k) / math.comb(36, k) for n in (20, 5, 5, 11)])
        assert found.metrics[f'R@{k}'] == pytest.approx(100 * expected)
    assert found.metrics['R@50'] == 100  # more places than videos


def test_a_perfect_encoder_gets_100_and_its_opposite_0():
    labels = np.arange(40) % 8
    perfect = np.eye(8)[labels]
    assert set(retrieval(perfect, labels, perfect, labels).metrics.values()) == {100.0}
    # Every query points to the wrong class.
    wrong = np.eye(8)[(labels + 1) % 8]
    assert retrieval(perfect, labels, wrong, labels, ks=[1, 5]).metrics == {'R@1': 0, 'R@5': 0}


def test_chance_of_large_galleries_is_exact():
    gallery_labels = np.repeat([0, 1], [100000, 140000])
    chance = retrieval_chance(gallery_labels, np.array([0]), [1, 50])
    assert chance['R@1'] == pytest.approx(100 * 100000 / 240000)
    exact = 1 - math.comb(140000, 50) / math.comb(240000, 50)
    assert chance['R@50'] == pytest.approx(100 * exact, abs=1e-9)


def test_blocks_of_similarities_stay_small():
    rng = np.random.default_rng(0)
    query, gallery = rng.normal(size=(5, 3)), rng.normal(size=(11, 3))
    whole = np.full((5, 11), np.nan)
    for rows, columns, scores in cosine_chunks(unit_rows(query), gallery, chunk_size=4):
        assert scores.shape[0] <= 4 and scores.shape[1] <= 4
        whole[rows, columns] = scores.numpy()
    expected = (
        query @ gallery.T / np.linalg.norm(query, axis=1)[:, None] / np.linalg.norm(gallery, axis=1)
    )
    assert np.allclose(whole, expected, atol=1e-12)


@pytest.mark.parametrize('integers', [False, True])
def test_centred_equals_the_plain_reference_on_centred_features(integers):
    rng = np.random.default_rng(0)
    gallery, query = rng.normal(size=(16, 4)) + 5, rng.normal(size=(11, 4)) + 5
    if integers:  # ties and duplicates
        gallery, query = rng.integers(0, 2, (16, 2)), rng.integers(0, 2, (11, 2))
    gallery, query = gallery.astype('f'), query.astype('f')
    gallery_labels, query_labels = np.arange(16) % 3, rng.integers(0, 3, 11)
    found = retrieval(
        gallery, gallery_labels, query, query_labels, ks=(1, 4), chunk_size=5, centred=True
    )
    mean = gallery.astype('d').mean(0)
    for k in (1, 4):
        expected = plain_recall(gallery - mean, gallery_labels, query - mean, query_labels, k)
        assert found.metrics[f'R@{k}'] == pytest.approx(expected, abs=1e-9)
    raw = retrieval(gallery, gallery_labels, query, query_labels, ks=(1, 4))
    assert raw.metrics != found.metrics


def test_a_constant_encoder_gets_chance_centred_as_well():
    gallery_labels, query_labels = np.repeat([0, 1], [20, 5]), np.array([0, 1])
    constant = np.full((25, 3), 0.3, dtype='f')
    found = retrieval(constant, gallery_labels, constant[:2], query_labels, centred=True)
    assert found.metrics == pytest.approx(found.chance, abs=1e-9)


def test_named_variants():
    """One search; the names differ in what they are defined on."""
    names = [name for name in list_protocols() if name.startswith('retrieval/')]
    assert set(names) == {
        f'retrieval/{name}'
        for name in (
            'context-mean-cosine',
            'block-cosine',
            'clip-search',
            'mean-10-clips',
            'multi-view-query',
        )
    }
    rng = np.random.default_rng(0)
    arrays = (
        rng.normal(size=(60, 4)),
        np.arange(60) % 3,
        rng.normal(size=(9, 4)),
        np.arange(9) % 3,
    )
    expected = retrieval(*arrays)
    assert (
        list(expected.metrics) == [f'R@{k}' for k in KS] == ['R@1', 'R@5', 'R@10', 'R@20', 'R@50']
    )
    for name in names:
        assert get_protocol(name)(*arrays) == expected
    assert get_protocol('retrieval/clip-search').clips == 'each'
    block, ten, multi = (
        get_protocol(f'retrieval/{name}')
        for name in ('block-cosine', 'mean-10-clips', 'multi-view-query')
    )
    assert block.check_feature(None) == 'block'
    with pytest.raises(ValueError, match="is defined on feature='block', not on 'context'"):
        block.check_feature('context')
    with pytest.raises(ValueError, match="unknown feature level 'logits'; known are context"):
        ten.check_feature('logits')
    ten.check_views(dict(gallery=10, query=10))
    with pytest.raises(ValueError, match='10 views of each query video, but the query gives 3'):
        ten.check_views(dict(gallery=10, query=3))
    multi.check_views(dict(gallery=1, query=30))
    with pytest.raises(ValueError, match='but the gallery gives a number that varies'):
        multi.check_views(dict(gallery=None, query=30))


def test_recall_of_any_similarity():
    """What fusion uses: a sum of two similarities is that of concatenated unit features."""
    rng = np.random.default_rng(0)
    gallery, query = rng.normal(size=(2, 20, 4)), rng.normal(size=(2, 9, 4))
    labels = (np.arange(20) % 3, np.arange(9) % 3)
    parts = [CosineScores(q, g) for q, g in zip(query, gallery)]
    found = recall_at_k(
        lambda r, c: 0.5 * parts[0](r, c) + 0.5 * parts[1](r, c), *labels, ks=(1, 5), chunk_size=4
    )
    unit = [
        np.hstack([x / np.linalg.norm(x, axis=1)[:, None] for x in pair])
        for pair in (gallery, query)
    ]
    assert found == retrieval(unit[0], labels[0], unit[1], labels[1], ks=(1, 5))


MEMORY = """
import sys
import numpy as np
from mmssl_video.evaluation import get_protocol
gallery, query, width = map(int, sys.argv[1:])
rng = np.random.default_rng(0)
features = rng.standard_normal((gallery, width), dtype=np.float32)
labels = np.arange(gallery) % 50
def peak():  # in MB; getrusage would count what the parent had before the exec
    return int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0]) // 1024
arrays = features, labels, features[:query], labels[:query]
for name, options in (('retrieval/context-mean-cosine', dict(centred=True)), ('knn/cosine', {})):
    get_protocol(name)(features[:100], labels[:100], features[:100], labels[:100], **options)
    before = peak()
    found = get_protocol(name)(*arrays, **options)
    print(name, peak() - before, next(iter(found.metrics.values())))
"""


def memory_of(*sizes, tmp_path):
    done = run(sys.executable, '-c', MEMORY, *sizes, cwd=tmp_path, timeout=900, fresh=True)
    assert done.returncode == 0, done.stdout
    rows = [line.split() for line in done.stdout.splitlines() if line.startswith(('ret', 'knn'))]
    assert len(rows) == 2 and float(rows[0][2]) == 100  # every query finds itself
    return [float(row[1]) for row in rows]


def test_memory_does_not_grow_with_queries_times_gallery(tmp_path):
    """All similarities at once would take 40,000 x 2,500 doubles, 800 MB."""
    for megabytes in memory_of(40000, 2500, 16, tmp_path=tmp_path):
        assert megabytes < 350


@pytest.mark.slow
def test_memory_of_a_gallery_of_240_000(tmp_path):
    """Features of 512: 492 MB as they are; 240,000 x 2,000 doubles would take 3.8 GB."""
    for megabytes in memory_of(240000, 2000, 512, tmp_path=tmp_path):
        assert megabytes < 700


def test_ks_must_be_positive():
    with pytest.raises(ValueError, match='ks must be a whole number greater than 0'):
        retrieval(np.eye(2), [0, 1], np.eye(2), [0, 1], ks=(0, 1))
