"""Whole evaluations: records, baselines, early errors, and two processes like one."""

import copy
import json
import subprocess
import sys

import numpy as np
import pytest
from mmengine.config import Config

from helpers.tiny_run import environment
from mmssl_video.apis import build_encoder, extract_features, run_evaluation
from mmssl_video.evaluation import get_protocol
from mmssl_video.evaluation.report import FIELDS

PROTOCOLS = ['linear/cached', 'knn/cosine', 'retrieval/context-mean-cosine']


@pytest.fixture
def cfg(probe_set):
    return Config.fromfile(probe_set.config)


@pytest.fixture(scope='module')
def records(probe_set, tmp_path_factory):
    """One evaluation of a checkpoint, and its JSON file."""
    out = tmp_path_factory.mktemp('out') / 'results.json'
    found = run_evaluation(str(probe_set.config), str(probe_set.checkpoint), out=out)
    return found, json.loads(out.read_text())


def test_records_are_complete_and_in_the_file(records, probe_set):
    found, written = records
    assert json.loads(json.dumps(found)) == written
    subjects = ['majority class', 'first frame', 'motion map', 'encoder.pth']
    assert [(r['protocol'], r['subject']) for r in written] == [
        (protocol, subject) for protocol in PROTOCOLS
        for subject in (subjects if 'retrieval' not in protocol else subjects[1:])]
    for r in written:
        assert set(FIELDS) < set(r) and r['unit'] == 'percent'
        assert (r['num_gallery'], r['num_queries'], r['num_classes']) == (13, 7, 3)
        assert r['split'] == dict(gallery='gallery.txt', query='query.txt')
        assert r['dataset'] == 'tiny set' and 'sliding windows of 8 frames' in r['views']
        assert r['unreadable'] == dict(gallery=[], query=[])
        for metric in r['metrics'].values():
            assert 0 <= metric['low'] <= metric['value'] <= metric['high'] <= 100
    last = written[-1]
    assert last['checkpoint'] == str(probe_set.checkpoint) and len(last['checkpoint_hash']) == 16


def test_figures_are_those_of_the_features(records, probe_set, cfg):
    """The evaluation equals extraction and protocol by hand."""
    encoder = build_encoder(probe_set.checkpoint)
    gallery, query = (extract_features(encoder, cfg.evaluation[role])
                      for role in ('gallery', 'query'))
    for record in records[0]:
        if record['subject'] == 'encoder.pth':
            output = get_protocol(record['protocol'])(
                gallery.features, gallery.labels, query.features, query.labels, seed=0,
                **record['options'])
            assert output.metrics == {k: v['value'] for k, v in record['metrics'].items()}
            assert output.details == record['details']


def test_several_encoders_read_every_video_once(probe_set, cfg, monkeypatch):
    from mmssl_video.apis import features
    reads = []
    original = features.Guarded.__getitem__
    monkeypatch.setattr(features.Guarded, '__getitem__',
                        lambda self, i: reads.append(i) or original(self, i))
    encoders = [build_encoder(probe_set.checkpoint, name='trained'),
                build_encoder('random', probe_set.pretraining, seed=3)]
    found = run_evaluation(cfg, encoders)
    assert len(reads) == 13 + 7
    assert [r['subject'] for r in found if r['protocol'] == 'knn/cosine'] == [
        'majority class', 'first frame', 'motion map', 'trained', 'random']
    assert found[-1]['seed'] == 3 and found[-1]['checkpoint_hash'] is None


def test_encoders_need_different_names(probe_set, cfg):
    with pytest.raises(ValueError, match='different names, got random, random'):
        run_evaluation(cfg, [build_encoder('random', probe_set.pretraining, seed=s)
                             for s in (0, 1)])


def test_random_and_calibrated_by_name(probe_set, cfg):
    cfg.evaluation.update(baselines=False, protocol=dict(type='knn/cosine', k=3))
    [found] = run_evaluation(cfg, 'random', encoder_config=probe_set.pretraining, seed=2,
                             calibrate_bn=2)
    assert (found['subject'], found['bn_batches'], found['seed']) == (
        'random, BN calibrated', 2, 2)


def test_unreadable_videos_are_in_the_record(probe_set, cfg, tmp_path):
    bad = probe_set.videos / 'empty.mp4'
    bad.write_bytes(b'')
    listed = tmp_path / 'query.txt'
    listed.write_text(probe_set.query.read_text() + 'empty.mp4 1\n')
    cfg.evaluation.query.dataset.ann_file = str(listed)
    cfg.evaluation.protocol = dict(type='knn/cosine', k=3)
    try:
        with pytest.raises(RuntimeError, match='1 of 8 query cannot be read, more than .* 5%'):
            run_evaluation(cfg, str(probe_set.checkpoint))
        cfg.evaluation.max_bad_share = 0.2
        found = run_evaluation(cfg, str(probe_set.checkpoint))[-1]
    finally:
        bad.unlink()
    assert found['num_queries'] == 7
    assert [name[-9:] for name, _ in found['unreadable']['query']] == ['empty.mp4']


def rewritten(path, tmp_path, change):
    new = tmp_path / path.name
    new.write_text(''.join(change(line) for line in path.read_text().splitlines(True)))
    return str(new)


@pytest.mark.parametrize('change, words', [
    (lambda e, t, p: e.pop('gallery'), 'lacks evaluation.gallery'),
    (lambda e, t, p: e.update(querry=1), 'has no setting querry'),
    (lambda e, t, p: e.update(protocol=dict(k=3)), 'protocol needs a type'),
    (lambda e, t, p: e.update(protocol=dict(type='nope')), "unknown protocol 'nope'"),
    (lambda e, t, p: e.update(protocol=dict(type='knn/cosine', kk=3)), 'no option kk'),
    (lambda e, t, p: e.query.pop('dataset'), 'evaluation.query must be a data loader'),
    (lambda e, t, p: e.gallery.dataset.update(ann_file=rewritten(
        p.gallery, t, lambda line: '')), 'names no videos'),
    (lambda e, t, p: e.gallery.dataset.update(ann_file=rewritten(
        p.gallery, t, lambda line: line.replace(' 2\n', ' 0\n'))),
     '1 of the query classes have no video in the gallery, so 28.6% .*: 2;'),
    (lambda e, t, p: e.query.dataset.update(ann_file=rewritten(
        p.query, t, lambda line: line.replace(' 1\n', ' -1\n'))), '2 of 7 query videos have no la'),
    (lambda e, t, p: e.query.dataset.update(num_classes=2), 'label 2 is out of range'),
], ids=range(10))
def test_mistakes_are_said_before_any_video_is_read(probe_set, cfg, tmp_path, monkeypatch, change,
                                                   words):
    change(cfg.evaluation, tmp_path, probe_set)
    monkeypatch.setattr('mmssl_video.apis.probe.extract_many', None)
    monkeypatch.setattr('mmssl_video.apis.probe.build_encoder', None)
    with pytest.raises(ValueError, match=words) as caught:
        run_evaluation(cfg, str(probe_set.checkpoint))
    assert '\n' not in str(caught.value)


SCRIPT = '''
import json, sys
import numpy as np
import torch
from torch import distributed
from mmssl_video.apis import build_encoder, extract_features, run_evaluation

config, checkpoint, videos, out = sys.argv[1:]
distributed.init_process_group('gloo')
records = run_evaluation(config, checkpoint, out=out + '/results.json', progress=False)
found = extract_features(build_encoder(checkpoint), videos, batch_size=3, progress=False)
rank = distributed.get_rank()
found.save(f'{out}/features_{rank}.npz')
json.dump(records, open(f'{out}/records_{rank}.json', 'w'))
distributed.destroy_process_group()
'''


def test_two_processes_give_exactly_the_figures_of_one(records, probe_set, tmp_path):
    """13 and 7 videos, in batches of 3 and 2: shares are uneven, nothing is counted twice."""
    script = tmp_path / 'evaluate.py'
    script.write_text(SCRIPT)
    run = subprocess.run(
        [sys.executable, '-m', 'torch.distributed.run', '--nproc_per_node', '2', '--standalone',
         str(script), probe_set.config, probe_set.checkpoint, probe_set.videos, tmp_path],
        env=environment(), capture_output=True, text=True, timeout=180)
    assert run.returncode == 0, run.stderr[-3000:]
    written = json.loads((tmp_path / 'results.json').read_text())

    def timeless(found):
        return [{k: v for k, v in r.items() if k != 'time'} for r in copy.deepcopy(found)]

    assert timeless(written) == timeless(records[1])
    single = extract_features(build_encoder(probe_set.checkpoint), probe_set.videos, batch_size=3)
    for rank in (0, 1):
        assert json.loads((tmp_path / f'records_{rank}.json').read_text()) == written
        with np.load(tmp_path / f'features_{rank}.npz') as file:
            assert file['names'].tolist() == single.names and len(single.names) == 20
            assert np.allclose(file['features'], single.features, atol=1e-6)
