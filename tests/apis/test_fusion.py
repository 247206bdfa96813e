"""Two-stream fusion: equal to a plain reference, aligned by name, and clear about wrong files."""

import json
from pathlib import Path

import numpy as np
import pytest

from mmssl_video.apis.fusion import run_fusion
from mmssl_video.commands import errors
from mmssl_video.commands.fuse import main
from mmssl_video.results.result_files import ClassScores, RetrievalFeatures


def class_scores(seed=0, videos=60, classes=7, levels=None, **info):
    """Random probabilities; with ``levels``, of so few values that many tie."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(classes), videos)
    if levels:
        p = rng.integers(1, levels + 1, (videos, classes)) / 8  # exact in binary, so ties are ties
    return ClassScores(
        [f'a/v {i}.avi' for i in range(videos)],
        np.arange(videos) % classes,
        p.astype(np.float32),
        dict(protocol='loop/test', dataset='set', split=dict(query='test.txt'), **info),
    )


def retrieval_features(seed=0, width=6, gallery=40, query=15, clips=1, grid=False, **options):
    """Random features; ``grid``: whole numbers, with duplicates and all-zero rows."""
    rng = np.random.default_rng(seed)

    def draw(rows):
        if not grid:
            return rng.normal(size=(rows * clips, width)).astype(np.float32)
        return rng.integers(0, 2, (rows * clips, width)).astype(np.float32)

    def side(role, rows):
        return {
            role: draw(rows),
            f'{role}_labels': np.arange(rows) % 4,
            f'{role}_names': [f'{role} {i}.avi' for i in range(rows)],
            f'{role}_counts': np.full(rows, clips),
        }

    return RetrievalFeatures(
        **side('gallery', gallery),
        **side('query', query),
        info=dict(
            protocol='retrieval/context-mean-cosine',
            options=options,
            dataset='set',
            split=dict(gallery='train.txt', query='test.txt'),
        ),
    )


def save(folder, *streams):
    paths = [folder / f'{name}.npz' for name, _ in zip(('rgb', 'flow', 'pose'), streams)]
    for path, stream in zip(paths, streams):
        stream.save(path)
    return paths


def values(record):
    return {name: metric['value'] for name, metric in record['metrics'].items()}


def plain_accuracy(probabilities, labels, k):
    """Mean over queries of the chance that the right class is among the first k, all ties drawn."""
    hits = []
    for row, label in zip(probabilities, labels):
        above = sum(p > row[label] + 1e-12 for p in row)
        level = sum(abs(p - row[label]) <= 1e-12 for p in row)
        hits.append(min(max((k - above) / level, 0), 1))
    return 100 * np.mean(hits)


def plain_recall(similarity, gallery_labels, query_labels, k):
    """R@k from the whole matrix of similarities; equal ones are averaged over random orders.

    Exactly: 1 - the product of the chances that each place drawn from the tie is wrong.
    """
    hits = []
    for row, label in zip(similarity, query_labels):
        left, hit = k, 0.0
        remaining = 1.0
        for value in sorted(set(np.round(row, 9)), reverse=True):
            tied = np.abs(row - value) < 1e-8
            right, total = (gallery_labels[tied] == label).sum(), tied.sum()
            for drawn in range(min(left, total)):
                chance = right / (total - drawn) if total - drawn else 0
                hit += remaining * min(chance, 1)
                remaining *= 1 - min(chance, 1)
            left -= min(left, total)
            if not left:
                break
        hits.append(hit)
    return 100 * np.mean(hits)


def plain_cosine(query, gallery, centred=False):
    query, gallery = query.astype(np.float64), gallery.astype(np.float64)
    if centred:
        query, gallery = query - gallery.mean(0), gallery - gallery.mean(0)
    lengths = [np.linalg.norm(x, axis=1, keepdims=True) for x in (query, gallery)]
    query, gallery = (x / np.where(n > 0, n, 1) for x, n in zip((query, gallery), lengths))
    return query @ gallery.T


@pytest.mark.parametrize('levels', [None, 3])
def test_class_scores_equal_the_plain_reference(tmp_path, levels):
    rgb, flow = class_scores(0, levels=levels), class_scores(1, levels=levels)
    records = run_fusion(save(tmp_path, rgb, flow), (3, 1))
    assert [r['subject'] for r in records] == ['rgb.npz', 'flow.npz', 'fused 3 : 1']
    fused = (3 * rgb.probabilities.astype(float) + flow.probabilities.astype(float)) / 4
    for record, expected in zip(records, (rgb.probabilities, flow.probabilities, fused)):
        found = values(record)
        assert found == {
            f'top{k}': pytest.approx(plain_accuracy(expected, rgb.labels, k)) for k in (1, 5)
        }
        assert record['num_queries'] == 60
        assert record['chance']['top1'] == pytest.approx(100 / 7)
        assert record['metrics']['top1']['low'] < found['top1'] < record['metrics']['top1']['high']
        assert record['protocol'] == 'two-stream/loop/test'
    assert records[-1]['options']['weights'] == [0.75, 0.25]


@pytest.mark.parametrize('grid', [False, True], ids=['random', 'ties and duplicates'])
@pytest.mark.parametrize('clips', [1, 3])
def test_retrieval_equals_the_plain_reference(tmp_path, grid, clips):
    rgb = retrieval_features(0, 6, clips=clips, grid=grid, ks=(1, 5))
    flow = retrieval_features(1, 3, clips=clips, grid=grid, ks=(5, 10), centred=not grid)
    records = run_fusion(save(tmp_path, rgb, flow), (1, 2))
    parts = plain_cosine(rgb.query, rgb.gallery), plain_cosine(flow.query, flow.gallery, not grid)
    labels = (np.repeat(rgb.gallery_labels, clips), np.repeat(rgb.query_labels, clips))
    for record, similarity in zip(records, (*parts, (parts[0] + 2 * parts[1]) / 3)):
        assert values(record) == {
            f'R@{k}': pytest.approx(plain_recall(similarity, *labels, k), abs=1e-9)
            for k in (1, 5, 10)
        }
    assert (records[0]['num_queries'], records[0]['num_gallery']) == (15, 40)


def test_chunks_do_not_change_the_figures(tmp_path):
    from mmssl_video.evaluation.two_streams import fused_retrieval

    streams = [retrieval_features(0, grid=True), retrieval_features(1, 4)]
    weights = np.array([0.5, 0.5])
    whole, pieces = (
        fused_retrieval(streams, weights, (1, 5), chunk_size=size) for size in (10**6, 7)
    )
    assert whole == pieces


def test_perfect_and_constant_streams(tmp_path):
    perfect, constant = retrieval_features(0, 4), retrieval_features(1, 2)
    for role in ('gallery', 'query'):
        setattr(perfect, role, np.eye(4, dtype=np.float32)[getattr(perfect, f'{role}_labels')])
        setattr(constant, role, np.ones_like(getattr(constant, role)))
    one, other, fused = run_fusion(save(tmp_path, perfect, constant))
    assert set(values(one).values()) == {100.0} == set(values(fused).values())
    assert values(other) == pytest.approx(other['chance'])


@pytest.mark.parametrize('make', [class_scores, retrieval_features])
def test_videos_in_another_order_are_aligned_by_name(tmp_path, make):
    rgb, flow = make(0), make(1)
    before = run_fusion(save(tmp_path, rgb, flow))
    for role in ('',) if make is class_scores else ('gallery_', 'query_'):
        names = getattr(flow, f'{role}names')
        order = np.random.default_rng(2).permutation(len(names))
        setattr(flow, f'{role}names', [names[i] for i in order])
        for key in [f'{role}labels', role[:-1]] if role else ['labels', 'probabilities']:
            setattr(flow, key, getattr(flow, key)[order])
    after = run_fusion(save(tmp_path, rgb, flow))
    assert [values(r) for r in before] == [values(r) for r in after]


def test_a_video_named_twice_keeps_its_rows(tmp_path):
    rgb, flow = class_scores(0, 4, 2), class_scores(1, 4, 2)
    rgb.names = flow.names = ['a', 'b', 'a', 'b']
    before = run_fusion(save(tmp_path, rgb, flow))
    flow.names = ['b', 'a', 'a', 'b']
    flow.labels, flow.probabilities = (x[[1, 0, 2, 3]] for x in (flow.labels, flow.probabilities))
    assert values(run_fusion(save(tmp_path, rgb, flow))[-1]) == values(before[-1])


def test_three_streams_and_the_results_file(tmp_path, capsys):
    files = save(tmp_path, *(class_scores(seed) for seed in range(3)))
    out = tmp_path / 'results.json'
    main([*map(str, files), '--weights', '1', '0.5', '0', '--out', str(out)])
    records = json.loads(out.read_text())
    assert len(records) == 4
    assert records[-1]['subject'] == 'fused 1 : 0.5 : 0'
    table = capsys.readouterr().out
    for word in ('rgb.npz', 'flow.npz', 'pose.npz', 'chance', 'top1', '±', '60 queries'):
        assert word in table
    # the third stream has no weight
    assert values(records[-1]) == values(run_fusion(files[:2], (2, 1))[-1])


def test_every_run_leaves_its_records(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    files = save(tmp_path, class_scores(0), class_scores(1))
    for count in (3, 6):
        main([*map(str, files)])
        found = json.loads((tmp_path / 'work_dirs' / 'fuse' / 'results.json').read_text())
        assert len(found) == count
    assert str(Path('work_dirs/fuse/results.json')) in capsys.readouterr().out


def test_units_of_a_timeline_count_as_their_videos(tmp_path):
    streams = [class_scores(seed) for seed in (0, 1)]
    for stream in streams:
        stream.info['num_queries'] = 12
    assert {r['num_queries'] for r in run_fusion(save(tmp_path, *streams))} == {12}


def swap(stream, **changes):
    for key, value in changes.items():
        setattr(stream, key, value)
    return stream


@pytest.mark.parametrize(
    'streams, weights, message',
    [
        (
            [class_scores(), swap(class_scores(), names=['x.avi'] + class_scores().names[1:])],
            None,
            r'different test lists: of their videos 1 only in \S*rgb.npz \(a/v 0.avi\) and 1 '
            r'only in \S*flow.npz \(x.avi\)',
        ),
        ([class_scores(), class_scores(videos=59)], None, r'1 only in \S*rgb.npz \(a/v 59.avi\)$'),
        (
            [class_scores(), swap(class_scores(), labels=np.zeros(60, int))],
            None,
            'give 51 of the test videos different labels, such as 1 and 0 for a/v 1.avi',
        ),
        ([class_scores(), class_scores(classes=6)], None, 'tell 7 and 6 classes apart'),
        (
            [class_scores(), retrieval_features()],
            None,
            r'rgb.npz holds class scores and \S*flow.npz features for retrieval',
        ),
        ([retrieval_features(), retrieval_features(query=14)], None, 'different query lists'),
        ([retrieval_features(), retrieval_features(gallery=39)], None, 'different gallery lists'),
        (
            [retrieval_features(), retrieval_features(clips=2)],
            None,
            'different numbers of clips, such as 1 and 2',
        ),
        (
            [retrieval_features(), swap(retrieval_features(), query=np.ones((15, 5), np.float32))],
            None,
            'gallery features of 6 dimensions and query features of 5',
        ),
        (
            [
                swap(retrieval_features(), query_labels=np.arange(15)),
                swap(retrieval_features(), query_labels=np.arange(15)),
            ],
            None,
            'no video in the gallery',
        ),
        ([class_scores()], None, 'at least two'),
        ([class_scores(), class_scores()], (1, 1, 1), '2 result files but 3 weights'),
        (
            [class_scores(), class_scores()],
            (1, -1),
            'at least 0, and one of them above 0; got 1 -1',
        ),
        ([class_scores(), class_scores()], (0, 0), 'one of them above 0; got 0 0'),
        ([class_scores(), class_scores()], (float('nan'), 1), 'weights must be numbers'),
    ],
)
def test_errors_in_one_sentence(tmp_path, streams, weights, message):
    files = save(tmp_path, *streams)
    with pytest.raises(ValueError, match=message) as error:
        run_fusion(files, weights)
    assert errors.is_explicit(error.value)
    assert '\n' not in str(error.value)


def test_a_missing_file_and_a_file_of_another_kind(tmp_path):
    [file] = save(tmp_path, class_scores())
    with pytest.raises(FileNotFoundError, match='no result file'):
        run_fusion([file, tmp_path / 'none.npz'])
    np.savez(tmp_path / 'other.npz', x=np.ones(3))
    with pytest.raises(ValueError, match='no result file of mmssl test --dump'):
        run_fusion([file, tmp_path / 'other.npz'])
