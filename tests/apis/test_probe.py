"""Whole evaluations: records, baselines, early errors, and two processes like one."""

import copy
import json
import re

import numpy as np
import pytest
from mmengine.config import Config

from helpers.tiny_run import run_ranks
from mmssl_video.apis import build_encoder, extract_features, run_evaluation
from mmssl_video.evaluation import get_protocol
from mmssl_video.results.records import FIELDS
from mmssl_video.results.result_files import load_result_file
from mmssl_video.results.table import format_table

PROTOCOLS = [
    'linear/cached',
    'knn/cosine',
    'retrieval/context-mean-cosine',
    'retrieval/clip-search',
]
TRIVIAL = ['length, aspect', 'first frame', 'motion over time', 'motion map']
UNTRAINED = ['random', 'random, BN calibrated']


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
    subjects = ['majority class', *TRIVIAL, *UNTRAINED, 'encoder.pth']
    assert [(r['protocol'], r['subject']) for r in written] == [
        (protocol, subject)
        for protocol in PROTOCOLS
        for subject in (subjects if 'retrieval' not in protocol else subjects[1:])
    ]
    for r in written:
        assert set(FIELDS) < set(r) and r['unit'] == 'percent'
        assert (r['num_gallery'], r['num_queries'], r['num_classes']) == (13, 7, 3)
        assert r['split'] == dict(gallery='gallery.txt', query='query.txt')
        assert r['dataset'] == 'tiny set' and 'sliding windows of 8 frames' in r['views']
        assert r['unreadable'] == dict(gallery=[], query=[])
        for metric in r['metrics'].values():
            assert 0 <= metric['low'] <= metric['value'] <= metric['high'] <= 100
        assert r['kind'] == ('encoder' if r['subject'] == 'encoder.pth' else 'baseline')
        assert r['feature'] == ('backbone' if 'clip' in r['protocol'] else 'context')
    assert {r['bn_batches'] for r in written if r['subject'] == 'random, BN calibrated'} == {5}
    last = written[-1]
    assert 'every view by itself' in last['views'] and 'mean over views' in written[0]['views']
    assert last['checkpoint'] == str(probe_set.checkpoint) and len(last['checkpoint_hash']) == 16


def test_figures_are_those_of_the_features(records, probe_set, cfg):
    """The evaluation equals extraction and protocol by hand."""
    encoder = build_encoder(probe_set.checkpoint)
    for record in records[0]:
        if record['subject'] == 'encoder.pth':
            protocol = get_protocol(record['protocol'])
            gallery, query = (
                extract_features(
                    encoder, cfg.evaluation[role], feature=record['feature'], clips=protocol.clips
                )
                for role in ('gallery', 'query')
            )
            output = protocol(
                gallery.features,
                np.repeat(gallery.labels, gallery.counts),
                query.features,
                np.repeat(query.labels, query.counts),
                seed=0,
                **record['options'],
            )
            assert output.metrics == {k: v['value'] for k, v in record['metrics'].items()}
            assert output.details == record['details']


def test_several_encoders_read_every_video_once(probe_set, cfg, monkeypatch):
    from mmssl_video.apis import features

    reads = []
    original = features.Guarded.__getitem__
    monkeypatch.setattr(
        features.Guarded, '__getitem__', lambda self, i: reads.append(i) or original(self, i)
    )
    encoders = [
        build_encoder(probe_set.checkpoint, name='trained'),
        build_encoder('random', probe_set.pretraining, seed=3),
    ]
    found = run_evaluation(cfg, encoders)
    assert len(reads) == 13 + 7
    # A random encoder among those given is the one that is shown.
    assert [r['subject'] for r in found if r['protocol'] == 'knn/cosine'] == [
        'majority class',
        *TRIVIAL,
        'trained',
        'random',
    ]
    assert found[-1]['seed'] == 3 and found[-1]['checkpoint_hash'] is None


def test_random_encoders_are_those_of_the_user(records, probe_set, cfg):
    """The untrained encoders beside a checkpoint equal those evaluated by name."""
    cfg.evaluation.update(baselines=False)
    for subject, batches in (('random', 0), ('random, BN calibrated', 5)):
        by_name = run_evaluation(
            cfg, 'random', encoder_config=probe_set.pretraining, calibrate_bn=batches
        )
        beside = [r for r in records[0] if r['subject'] == subject]
        assert [r['metrics'] for r in beside] == [r['metrics'] for r in by_name]
        assert {r['subject'] for r in by_name} == {subject}


def test_the_switch_for_baselines(probe_set, cfg):
    cfg.evaluation.protocol = dict(type='knn/cosine', k=3)
    assert len(run_evaluation(cfg, str(probe_set.checkpoint), baselines=False)) == 1
    cfg.evaluation.baselines = False
    assert len(run_evaluation(cfg, str(probe_set.checkpoint))) == 1
    assert len(run_evaluation(cfg, str(probe_set.checkpoint), baselines=True)) == 8


def test_a_trivial_feature_that_comes_near_is_warned_of(probe_set, cfg):
    """Seven queries cannot show an encoder to be better than what needs none."""
    cfg.evaluation.protocol = dict(type='retrieval/context-mean-cosine', ks=(1,))
    found = run_evaluation(cfg, str(probe_set.checkpoint))
    encoder = found[-1]['metrics']['R@1']
    for r in found[:-1]:
        value = r['metrics']['R@1']['value']
        named = any(f'{r["subject"]} ({value:.1f})' in w for w in found[-1]['warnings'])
        assert named == (value >= encoder['low']) and not r['warnings']
    assert any('pre-training shows no gain here' in w for w in found[-1]['warnings'])
    table = format_table(found)
    assert all(f'warning: {text}' in table for text in found[-1]['warnings'])


def test_videos_of_both_lists_are_warned_of(probe_set, cfg, tmp_path):
    listed = tmp_path / 'gallery.txt'
    listed.write_text(probe_set.gallery.read_text() + 'query 0.mp4 0\n')
    cfg.evaluation.gallery.dataset.ann_file = str(listed)
    cfg.evaluation.protocol = dict(type='knn/cosine', k=3)
    [found] = run_evaluation(cfg, str(probe_set.checkpoint), baselines=False)
    assert found['warnings'] == [
        '1 of 7 query videos are in the gallery list as well: they find themselves'
    ]


def test_dumps(probe_set, cfg, tmp_path):
    """What is in the files gives the figures of the records once more."""
    found = run_evaluation(
        cfg, str(probe_set.checkpoint), dump=tmp_path / 'out' / 'd.npz', baselines=False
    )
    records = {r['protocol']: r for r in found if r['kind'] == 'encoder'}
    assert sorted(p.name for p in (tmp_path / 'out').iterdir()) == sorted(
        f'd_{name.replace("/", "-")}.npz' for name in PROTOCOLS
    )
    for name, record in records.items():
        file = load_result_file(tmp_path / 'out' / f'd_{name.replace("/", "-")}.npz')
        assert file.info['protocol'] == name and file.info['metrics'] == record['metrics']
        if name in PROTOCOLS[:2]:
            assert file.names == [f'query {i}.mp4' for i in range(7)]
            assert np.allclose(file.probabilities.sum(1), 1)
            top1 = 100 * (file.probabilities.argmax(1) == file.labels).mean()
            if name == 'linear/cached':
                assert top1 == pytest.approx(record['metrics']['top1']['value'])
        else:
            each = name == 'retrieval/clip-search'
            assert file.query_counts.tolist() == ([1, 2, 3, 4, 1, 2, 3] if each else [1] * 7)
            assert file.gallery_names[12] == 'gallery 12.mp4' and len(file.gallery_names) == 13
            output = get_protocol(name)(
                file.gallery,
                np.repeat(file.gallery_labels, file.gallery_counts),
                file.query,
                np.repeat(file.query_labels, file.query_counts),
                ks=file.info['options']['ks'],
            )
            assert output.metrics == pytest.approx(
                {k: v['value'] for k, v in record['metrics'].items()}
            )
    cfg.evaluation.protocol = dict(type='knn/cosine', k=3)
    run_evaluation(cfg, str(probe_set.checkpoint), dump=tmp_path / 'one.npz', baselines=False)
    assert load_result_file(tmp_path / 'one.npz').info['protocol'] == 'knn/cosine'


def without_pipelines(cfg, **settings):
    for role in ('gallery', 'query'):
        cfg.evaluation[role].dataset.pop('pipeline')
    cfg.evaluation.update(settings)
    return cfg


def test_views_of_the_encoders_own_training(records, probe_set, cfg):
    """Without pipelines the encoder's config says the frames: here the same as the config's."""
    found = run_evaluation(without_pipelines(cfg), str(probe_set.checkpoint), baselines=False)
    drop = ('time', 'warnings')
    assert [{k: v for k, v in r.items() if k not in drop} for r in found] == [
        {k: v for k, v in r.items() if k not in drop} for r in records[0] if r['kind'] == 'encoder'
    ]


@pytest.mark.parametrize(
    'name, views, gallery, query, words',
    [
        ('block-cosine', dict(mode='center'), {}, {}, '^center windows of 8 frames at stride 1, 4'),
        ('mean-10-clips', dict(mode='uniform', num_windows=10), {}, {}, '^10 uniform windows of 8'),
        (
            'multi-view-query',
            dict(crop_share=0.8),
            dict(mode='center'),
            dict(mode='uniform', num_windows=2, crops='three'),
            '^gallery: center windows .*, CenterCrop 32 out of 40, .*; query: 2 uniform .* three '
            'crops of 32 out of 40,',
        ),
        ('clip-search', dict(num_frames=8, mode='uniform', num_windows=10), {}, {}, 'by itself$'),
    ],
)
def test_views_of_the_papers_retrieval(probe_set, cfg, name, views, gallery, query, words):
    cfg = without_pipelines(cfg, views=views, protocol=dict(type=f'retrieval/{name}', ks=(1, 5)))
    cfg.evaluation.gallery.views, cfg.evaluation.query.views = gallery, query
    [found] = run_evaluation(cfg, str(probe_set.checkpoint), baselines=False)
    assert re.search(words, found['views']), found['views']
    assert found['num_queries'] == 7  # intervals count videos, not clips
    assert found['feature'] == ('block' if name == 'block-cosine' else 'context')


def test_a_name_is_refused_for_other_views(probe_set, cfg, monkeypatch):
    monkeypatch.setattr('mmssl_video.apis.evaluation.extract_lists', None)
    cfg.evaluation.protocol = dict(type='retrieval/mean-10-clips')
    with pytest.raises(
        ValueError,
        match='on 10 views of each gallery video, but the gallery gives a number that varies',
    ):
        run_evaluation(cfg, str(probe_set.checkpoint))


def test_encoders_of_different_frames_are_not_mixed(probe_set, cfg):
    other = Config.fromfile(probe_set.pretraining)
    other.train_dataloader.dataset.pipeline[1].stride = 2
    encoders = [build_encoder(probe_set.checkpoint), build_encoder('random', other, name='coarse')]
    with pytest.raises(ValueError, match='encoder.pth and coarse were trained on different frames'):
        run_evaluation(without_pipelines(cfg), encoders)


def test_an_encoder_of_the_other_modality_is_warned_of(probe_set, cfg):
    config = Config.fromfile(probe_set.pretraining)
    config.train_dataloader.dataset.modality = 'Flow'
    cfg.evaluation.protocol = dict(type='knn/cosine', k=3)
    [found] = run_evaluation(cfg, build_encoder('random', config), baselines=False)
    assert found['warnings'] == ['random was trained on Flow and is judged on RGB']


def test_encoders_need_different_names(probe_set, cfg):
    with pytest.raises(ValueError, match='different names, got random, random'):
        run_evaluation(
            cfg, [build_encoder('random', probe_set.pretraining, seed=s) for s in (0, 1)]
        )


def test_random_and_calibrated_by_name(probe_set, cfg):
    cfg.evaluation.update(baselines=False, protocol=dict(type='knn/cosine', k=3))
    [found] = run_evaluation(
        cfg, 'random', encoder_config=probe_set.pretraining, seed=2, calibrate_bn=2
    )
    assert (found['subject'], found['bn_batches'], found['seed']) == ('random, BN calibrated', 2, 2)


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


@pytest.mark.parametrize(
    'change, words',
    [
        (lambda e, t, p: e.pop('gallery'), 'lacks evaluation.gallery'),
        (lambda e, t, p: e.update(querry=1), 'has no setting querry'),
        (lambda e, t, p: e.update(protocol=dict(k=3)), 'protocol needs a type'),
        (lambda e, t, p: e.update(protocol=dict(type='nope')), "unknown protocol 'nope'"),
        (lambda e, t, p: e.update(protocol=dict(type='knn/cosine', kk=3)), 'no option kk'),
        (lambda e, t, p: e.query.pop('dataset'), 'evaluation.query must be a data loader'),
        (
            lambda e, t, p: e.gallery.dataset.update(
                ann_file=rewritten(p.gallery, t, lambda line: '')
            ),
            'names no videos',
        ),
        (
            lambda e, t, p: e.gallery.dataset.update(
                ann_file=rewritten(p.gallery, t, lambda line: line.replace(' 2\n', ' 0\n'))
            ),
            '1 of the query classes have no video in the gallery, so 28.6% .*: 2;',
        ),
        (
            lambda e, t, p: e.query.dataset.update(
                ann_file=rewritten(p.query, t, lambda line: line.replace(' 1\n', ' -1\n'))
            ),
            '2 of 7 query videos have no la',
        ),
        (lambda e, t, p: e.query.dataset.update(num_classes=2), 'label 2 is out of range'),
        (
            lambda e, t, p: e.gallery.dataset.update(num_classes=4),
            'the class count differs from the list: .*num_classes=4 but the gallery list .* 3 '
            'classes',
        ),
        (lambda e, t, p: e.update(feature='logits'), "unknown feature level 'logits'"),
        (
            lambda e, t, p: e.update(
                protocol=dict(type='retrieval/block-cosine', feature='backbone')
            ),
            "is defined on feature='block'",
        ),
        (
            lambda e, t, p: e.update(views=dict(mode='center')),
            'has a pipeline, which says the views',
        ),
    ],
    ids=range(14),
)
def test_mistakes_are_said_before_any_video_is_read(
    probe_set, cfg, tmp_path, monkeypatch, change, words
):
    change(cfg.evaluation, tmp_path, probe_set)
    monkeypatch.setattr('mmssl_video.apis.evaluation.extract_lists', None)
    monkeypatch.setattr('mmssl_video.apis.evaluation.build_encoder', None)
    with pytest.raises(ValueError, match=words) as caught:
        run_evaluation(cfg, str(probe_set.checkpoint))
    assert '\n' not in str(caught.value)


SCRIPT = """
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
"""


def test_two_processes_give_exactly_the_figures_of_one(records, probe_set, tmp_path):
    """13 and 7 videos, in batches of 3 and 2: shares are uneven, nothing is counted twice."""
    script = tmp_path / 'evaluate.py'
    script.write_text(SCRIPT)
    arguments = (probe_set.config, probe_set.checkpoint, probe_set.videos, tmp_path)
    for done in run_ranks(script, *arguments, cwd=tmp_path, timeout=180):
        assert done.returncode == 0, done.stdout[-3000:]
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
