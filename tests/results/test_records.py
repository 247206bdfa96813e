"""Checks of arrays, protocols by name, intervals, baselines, JSON records, tables, figure."""

import json
import os

import cv2
import numpy as np
import pytest
import torch

from mmssl_video.evaluation import (
    ProtocolOutput,
    get_protocol,
    list_protocols,
    register_protocol,
    wilson_interval,
)
from mmssl_video.evaluation.array_checks import check_arrays
from mmssl_video.evaluation.baselines import first_frame_map, majority_top1, motion_map
from mmssl_video.results.records import FIELDS, append_results, make_record, read_results
from mmssl_video.results.run_figure import draw_figure, read_scalars
from mmssl_video.results.table import format_table

EYE = np.eye(3)
CASES = {
    'the gallery is empty': (np.zeros((0, 3)), [], EYE, [0, 1, 2]),
    'the query is empty': (EYE, [0, 1, 2], np.zeros((0, 3)), []),
    'one label per feature': (EYE, [0, 1], EYE, [0, 1, 2]),
    '1 of the query classes have no video in the gallery, .* never be right: 2': (
        EYE[:2],
        [0, 1],
        EYE,
        [0, 1, 2],
    ),
    'gallery features have 3 dimensions and query features 2': (
        EYE,
        [0, 1, 2],
        np.eye(3)[:, :2],
        [0, 1, 2],
    ),
    'NaN or infinite': (EYE * np.nan, [0, 1, 2], EYE, [0, 1, 2]),
    '1 of 3 gallery videos have no label': (EYE, [0, -1, 2], EYE, [0, 1, 2]),
    'labels must be integers': (EYE, [0.5, 1, 2], EYE, [0, 1, 2]),
    r'must have shape \[videos, dimensions\]': (np.ones((3, 2, 2)), [0, 1, 2], EYE, [0, 1, 2]),
}


@pytest.mark.parametrize('words', CASES)
def test_wrong_arrays_are_named_in_one_sentence(words):
    for protocol in list_protocols():
        with pytest.raises(ValueError, match=words) as caught:
            get_protocol(protocol)(*CASES[words])
        assert '\n' not in str(caught.value)


def test_right_arrays_pass():
    gallery, labels, _, _ = check_arrays(EYE, [0, 1, 2], EYE[:1], [2])
    assert gallery.dtype == np.float32 and labels.dtype == np.int64


def test_protocols_by_name():
    assert set(list_protocols()) >= {
        'linear/cached',
        'knn/cosine',
        'knn/weighted',
        'retrieval/context-mean-cosine',
    }
    with pytest.raises(ValueError, match="unknown protocol 'nope'; known are knn/cosine"):
        get_protocol('nope')
    with pytest.raises(ValueError, match='no option neighbours; it has k, '):
        get_protocol('knn/cosine')(EYE, [0, 1, 2], EYE, [0, 1, 2], neighbours=3)
    with pytest.raises(KeyError, match='registered already'):
        register_protocol('knn/cosine', 2)(len)


@pytest.mark.parametrize(
    'accuracy, count, low, high',
    [
        # Published values of the score interval (Newcombe 1998): 5 of 10, 0 of 10, 8 of 8,
        # 81 of 263.
        (0.5, 10, 0.2366, 0.7634),
        (0.0, 10, 0.0, 0.2775),
        (1.0, 8, 0.6756, 1.0),
        (81 / 263, 263, 0.2553, 0.3662),
    ],
)
def test_wilson_interval(accuracy, count, low, high):
    assert wilson_interval(accuracy, count) == pytest.approx((low, high), abs=1e-4)


@pytest.mark.parametrize('count', [1, 3, 7, 13, 64, 3783])
def test_wilson_interval_holds_the_accuracy(count):
    for hits in {0, 1, count - 1, count}:
        low, high = wilson_interval(hits / count, count)
        assert 0 <= low <= hits / count <= high <= 1


def test_wilson_interval_refuses_nonsense():
    with pytest.raises(ValueError, match='at least one query'):
        wilson_interval(0.5, 0)
    with pytest.raises(ValueError, match=r'in \[0, 1\]'):
        wilson_interval(50, 10)


def test_baselines_are_what_they_are_called():
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (2, 5, 32, 64, 3), dtype=np.uint8)
    grey = (frames @ np.array([0.299, 0.587, 0.114])).astype('f')
    windows = torch.from_numpy(frames).movedim(-1, 2)

    def pooled(image):
        return cv2.resize(image, (16, 16), interpolation=cv2.INTER_AREA).ravel()

    assert np.allclose(first_frame_map(windows), pooled(grey[0, 0]), atol=1e-2)
    motion = np.abs(np.diff(grey, axis=1)).mean(axis=(0, 1))
    assert np.allclose(motion_map(windows), pooled(motion), atol=1e-2)
    assert not motion_map(windows[:, :1].expand(-1, 4, -1, -1, -1)).any()
    with pytest.raises(ValueError, match='2 frames or more'):
        motion_map(windows[:, :1])
    assert majority_top1([0, 0, 1], [0, 1, 1, 1]) == 25
    assert majority_top1([0, 1], [0, 1, 1, 1]) == 50


def record(subject='pre-trained', protocol='knn/cosine', **metrics):
    output = ProtocolOutput(metrics or dict(top1=30.0), dict(top1=12.5), dict(k=20))
    return make_record(
        output,
        protocol=protocol,
        version=1,
        options={},
        dataset='demo',
        subject=subject,
        split=dict(gallery='train.txt', query='test.txt'),
        views='1 window',
        kind='encoder',
        checkpoint='a.pth',
        checkpoint_hash='0123',
        seed=0,
        bn_batches=0,
        num_gallery=256,
        num_queries=64,
        num_classes=8,
        unreadable=dict(gallery=[], query=[('x.mp4', 'is empty')]),
    )


def test_a_record_carries_everything_and_nothing_less():
    made = json.loads(json.dumps(record()))
    assert set(FIELDS) < set(made)
    assert made['metrics']['top1']['low'] < 30 < made['metrics']['top1']['high']
    assert made['chance'] == dict(top1=12.5) and made['details'] == dict(k=20)
    assert made['software']['torch'] == torch.__version__
    with pytest.raises(TypeError, match='these differ.*seed'):
        fields = {name: None for name in FIELDS if name != 'seed'}
        make_record(ProtocolOutput({}, {}), **fields)


def test_results_are_appended(tmp_path):
    path = tmp_path / 'new' / 'results.json'
    assert read_results(path) == []
    append_results(path, [record('a')])
    append_results(path, [record('b'), record('c')])
    assert [r['subject'] for r in read_results(path)] == ['a', 'b', 'c']
    assert os.listdir(path.parent) == ['results.json']


@pytest.mark.parametrize('text', ['not JSON', '{"a": 1}', '[1, 2]', '[{"metrics": 1}]'])
def test_other_files_are_not_overwritten(tmp_path, text):
    path = tmp_path / 'notes.json'
    path.write_text(text)
    with pytest.raises(ValueError, match='notes.json is .*move it away'):
        append_results(path, [record()])
    assert path.read_text() == text
    with pytest.raises(ValueError, match='is a directory'):
        append_results(tmp_path, [record()])


def test_table():
    table = format_table(
        [record('random', top1=20.0), record(), record(protocol='retrieval/x', **{'R@1': 31.25})]
    ).splitlines()
    assert '64 queries (test.txt)' in table[0]
    assert 'not counted: 1 unreadable query videos: x.mp4 (is empty)' in table[1]
    assert table[3].split() == ['knn/cosine', 'retrieval/x']
    assert table[4].split() == ['top1', 'R@1']
    assert table[5].split() == ['chance', '12.5', '-']
    assert table[6].split()[:2] == ['random', '20.0'] and table[6].split()[-1] == '-'
    assert table[7].split()[:2] == ['pre-trained', '30.0'] and table[7].split()[3] == '31.2'
    with pytest.raises(ValueError, match='no results'):
        format_table([])


def write_log(folder, entries):
    file = folder / 'vis_data' / 'scalars.json'
    file.parent.mkdir(parents=True)
    file.write_text(''.join(json.dumps(entry) + '\n' for entry in entries))
    return file


def train_line(step, loss):
    return dict(loss=loss, top1=0.1, epoch=1, iter=step, step=step)


def test_curves_of_a_resumed_run_are_joined(tmp_path):
    write_log(
        tmp_path / '20260101_000000',
        [train_line(10, 3.0), {'ssl/loss': 3.5, 'step': 1}, train_line(20, 2.9)],
    )
    write_log(tmp_path / '20260102_000000', [train_line(15, 2.5), {'ssl/loss': 3.1, 'step': 2}])
    write_log(tmp_path / '20260103_000000', [{'ssl/loss': 9.0, 'step': 0}])  # a test: no curve
    curves = read_scalars(tmp_path)
    assert curves['train']['loss'] == ([10, 15], [3.0, 2.5])
    assert curves['val']['ssl/loss'] == ([10, 15], [3.5, 3.1])


def test_figure(tmp_path):
    log = write_log(
        tmp_path / 'run',
        [train_line(10, 3.0), {'ssl/loss': 3.5, 'ssl/top1': 0.1, 'step': 1}, train_line(20, 2.9)],
    )
    sizes = []
    for name, arguments in (
        ('both', dict(scalars=log, records=[record()], levels={'chance': 1.0}, title='a')),
        ('curves', dict(scalars=log)),
        ('bars', dict(records=[record(), record('random')])),
    ):
        image = cv2.imread(str(draw_figure(tmp_path / 'out' / f'{name}.png', **arguments)))
        assert image.std() > 10  # something is drawn
        sizes.append(image.shape[1])
    assert sizes[0] > max(sizes[1:])
    with pytest.raises(ValueError, match='needs a training log or results'):
        draw_figure(tmp_path / 'none.png')
    with pytest.raises(FileNotFoundError, match='no training log'):
        read_scalars(tmp_path / 'nowhere')
