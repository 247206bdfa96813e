"""Averages over splits: every video read once, the figures of single runs, and their mean."""

import json
import statistics

import pytest
from mmengine.config import Config

from helpers.configs import load
from helpers.tiny_run import REPO, last_line, run
from mmssl_video.apis import build_encoder, run_evaluation
from mmssl_video.apis.splits import evaluate_splits, with_split
from mmssl_video.commands.splits import main
from mmssl_video.evaluation import wilson_interval
from mmssl_video.results.averages import average_records
from mmssl_video.settings.names import find_config


@pytest.fixture(scope='module')
def config(probe_set, tmp_path_factory):
    """Three folds of the probe set's 20 videos; every list is ``fold<digit>_...``."""
    folder = tmp_path_factory.mktemp('splits')
    lines = (probe_set.gallery.read_text() + probe_set.query.read_text()).splitlines(True)
    for fold in range(3):
        for name, keep in (
            ('train', lambda i: i // 3 % 3 != fold),  # noqa: B023
            ('test', lambda i: i // 3 % 3 == fold),  # noqa: B023
        ):
            (folder / f'fold{fold}_{name}.txt').write_text(
                ''.join(line for i, line in enumerate(lines) if keep(i))
            )
    cfg = Config.fromfile(probe_set.config)
    cfg.evaluation.protocol = [
        dict(type='knn/cosine', k=3),
        dict(type='retrieval/clip-search', ks=(1,)),
    ]
    cfg.evaluation.gallery.batch_size = cfg.evaluation.query.batch_size = 3
    cfg.evaluation.gallery.dataset.ann_file = str(folder / 'fold0_train.txt')
    cfg.evaluation.query.dataset.ann_file = str(folder / 'fold0_test.txt')
    cfg.dump(folder / 'config.py')
    return folder / 'config.py'


def figures(records):
    return [
        (
            r['protocol'],
            r['subject'],
            r['split'],
            r['num_queries'],
            {k: pytest.approx(v['value']) for k, v in r['metrics'].items()},
        )
        for r in records
    ]


def test_every_split_is_as_if_alone_and_every_video_is_read_once(
    config, probe_set, tmp_path, monkeypatch
):
    from mmssl_video.apis import features

    reads = []
    original = features.Guarded.__getitem__
    monkeypatch.setattr(
        features.Guarded, '__getitem__', lambda self, i: reads.append(i) or original(self, i)
    )
    cfgs = {fold: with_split(Config.fromfile(config), fold) for fold in range(3)}
    records = evaluate_splits(
        cfgs, str(probe_set.checkpoint), out=tmp_path / 'r.json', baselines=False, progress=False
    )
    assert len(reads) == 20
    assert json.loads((tmp_path / 'r.json').read_text()) == json.loads(json.dumps(records))
    singles = [
        run_evaluation(cfg, str(probe_set.checkpoint), baselines=False, progress=False)
        for cfg in cfgs.values()
    ]
    assert figures(records[:6]) == figures(sum(singles, []))
    for i, mean in enumerate(records[6:]):
        values = [each[i]['metrics'] for each in singles]
        name = {'knn/cosine': 'top1'}.get(mean['protocol'], 'R@1')
        values = [value[name]['value'] for value in values]
        found = mean['metrics'][name]
        assert found['value'] == pytest.approx(statistics.mean(values))
        assert found['std'] == pytest.approx(statistics.stdev(values))
        assert mean['details']['values'] == {name: pytest.approx(values)}
        assert mean['num_queries'] == 20 and mean['splits'] == [0, 1, 2]
        assert mean['split'] == dict(gallery='fold*_train.txt', query='fold*_test.txt')
        assert found['low'] < found['value'] < found['high']
    assert records[6]['chance'] == dict(top1=pytest.approx(100 / 3))


def test_different_views_of_gallery_and_query(config, probe_set):
    """Then a video is read once for each."""
    cfg = Config.fromfile(config)
    for role, views in (('gallery', dict(mode='center')), ('query', {})):
        cfg.evaluation[role].dataset.pop('pipeline')
        cfg.evaluation[role].views = views
    cfg.evaluation.protocol = dict(type='retrieval/multi-view-query', ks=(1,))
    cfgs = {fold: with_split(cfg, fold) for fold in (0, 1)}
    records = evaluate_splits(cfgs, str(probe_set.checkpoint), baselines=False, progress=False)
    singles = [
        run_evaluation(cfg, str(probe_set.checkpoint), baselines=False, progress=False)
        for cfg in cfgs.values()
    ]
    assert figures(records[:2]) == figures(sum(singles, []))


def test_unreadable_videos_belong_to_their_splits(config, probe_set, monkeypatch):
    from mmssl_video.apis import features

    original = features.Guarded.__getitem__

    def broken(self, i):
        item = original(self, i)
        if item['name'].endswith('gallery 0.mp4'):
            item = dict(index=i, name=item['name'], label=item['label'], reason='is broken')
        return item

    monkeypatch.setattr(features.Guarded, '__getitem__', broken)
    cfgs = {fold: with_split(Config.fromfile(config), fold) for fold in (0, 1)}
    for cfg in cfgs.values():
        cfg.evaluation.max_bad_share = 0.2
    first, second = [
        r
        for r in evaluate_splits(cfgs, str(probe_set.checkpoint), baselines=False, progress=False)
        if r['protocol'] == 'knn/cosine' and 'splits' not in r
    ]
    assert [len(first['unreadable'][role]) for role in ('gallery', 'query')] == [0, 1]
    assert [len(second['unreadable'][role]) for role in ('gallery', 'query')] == [1, 0]
    assert (first['num_queries'], second['num_gallery']) == (7, 13)


def test_the_tool_prints_splits_and_mean(config, probe_set, tmp_path):
    done = run(
        'python',
        REPO / 'tools' / 'splits.py',
        config,
        probe_set.checkpoint,
        '--splits',
        '0',
        '1',
        '--out',
        tmp_path / 'r.json',
        '--work-dir',
        tmp_path,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout
    for words in (
        'gallery and query: 20/20',
        'standard deviation over splits 0, 1',
        'each split:',
        'motion map',
        'random, BN calibrated',
        'warning: knn/cosine top1 of encoder.pth',
    ):
        assert words in done.stdout, done.stdout
    records = json.loads((tmp_path / 'r.json').read_text())
    means = [r for r in records if 'splits' in r]
    assert len(records) == 3 * len(means)
    # what the averages are warned of speaks of the averages
    for mean in means:
        value = next(iter(mean['metrics'].values()))['value']
        assert all(f'is {value:.1f} ' in w for w in mean['warnings'])


def test_wrong_lists_are_named(config, probe_set, tmp_path):
    with pytest.raises(
        ValueError,
        match='no list of the config has split1, fold0 or such .*; its '
        'lists are .*gallery.txt, .*query.txt',
    ):
        main([str(probe_set.config), str(probe_set.checkpoint), '--work-dir', str(tmp_path)])
    with pytest.raises(FileNotFoundError, match='no list .*fold7_train.txt of split 7'):
        main([str(config), 'x.pth', '--splits', '7', '--work-dir', str(tmp_path)])
    with pytest.raises(ValueError, match='trains nothing: leave --train out'):
        main([str(config), 'x.pth', '--splits', '0', '--train', '--work-dir', str(tmp_path)])
    done = run('python', REPO / 'tools' / 'splits.py', probe_set.config, 'x.pth', cwd=tmp_path)
    assert done.returncode == 1 and last_line(done.stdout).startswith('error: no list of the')


def test_every_list_of_a_config_is_replaced_and_only_its_name():
    cfg = Config(
        dict(
            train_dataloader=dict(
                dataset=dict(type='RepeatDataset', dataset=dict(ann_file='README.md'))
            ),
            parts=[dict(ann_file='docs/methods.md'), dict(name='split1')],
        )
    )
    with pytest.raises(ValueError, match='its lists are README.md, docs/methods.md'):
        with_split(cfg, 2)
    cfg.train_dataloader.dataset.dataset.ann_file = 'split1/train_split1_10percent_seed0.txt'
    with pytest.raises(FileNotFoundError, match='no list split1/train_split2_10percent_seed0.txt'):
        with_split(cfg, 2)
    assert '10percent' in cfg.train_dataloader.dataset.dataset.ann_file  # the given one is left


def test_splits_that_differ_are_not_averaged():
    record = dict(protocol='a', subject='b', metrics={}, kind='baseline')
    with pytest.raises(ValueError, match='different protocols or subjects'):
        average_records({1: [record], 2: [dict(record, subject='c')]})


def test_figures_with_a_number_of_their_own_keep_it():
    """Of Oops, a class counts the videos that have it; the smallest split gives the interval."""

    def record(rare):
        metrics = {name: dict(value=50.0, low=0.0, high=100.0) for name in ('top1', 'rare')}
        return dict(
            protocol='a',
            subject='b',
            kind='encoder',
            unit='percent',
            num_queries=40,
            metrics=metrics,
            chance={},
            split={},
            warnings=[],
            details=dict(queries=dict(rare=rare)),
        )

    [mean] = average_records({1: [record(9)], 2: [record(7)]}, {('a', 'b'): 80})
    for name, count in (('top1', 80), ('rare', 7)):
        low, high = wilson_interval(0.5, count)
        assert mean['metrics'][name]['low'] == pytest.approx(100 * low)
        assert mean['metrics'][name]['high'] == pytest.approx(100 * high)
    assert mean['num_queries'] == 80 and mean['details']['queries'] == dict(rare=7)


@pytest.mark.slow
def test_training_on_every_split(config, probe_set, tmp_path):
    """A recipe of tools/train.py on two folds; the records of tools/test.py are averaged."""
    lists = [
        f'{name}_dataloader.dataset.{key}'
        for name in ('train', 'val', 'test')
        for key in ('ann_file', 'classes', 'data_prefix.video')
    ]
    (tmp_path / 'classes.txt').write_text('still\nslow\nfast\n')
    values = [
        part
        for name in ('train', 'test', 'test')
        for part in (
            config.parent / f'fold0_{name}.txt',
            tmp_path / 'classes.txt',
            probe_set.videos,
        )
    ]
    options = (
        [f'{key}={value}' for key, value in zip(lists, values)]
        + [f'{name}_dataloader.num_workers=0' for name in ('train', 'val', 'test')]
        + [
            'train_dataloader.persistent_workers=False',
            'val_dataloader.persistent_workers=False',
            'train_dataloader.batch_size=4',
            'train_cfg.max_epochs=1',
            'train_cfg.val_interval=1',
            'model.backbone.base_channels=4',
        ]
    )
    done = run(
        'python',
        REPO / 'tools' / 'splits.py',
        'scratch_fgkvmem',
        'scratch',
        '--data',
        'demo',
        '--train',
        '--splits',
        '0',
        '2',
        '--work-dir',
        tmp_path / 'work',
        '--cfg-options',
        *options,
        cwd=tmp_path,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout
    records = json.loads((tmp_path / 'work' / 'results.json').read_text())
    [mean] = [r for r in records if 'splits' in r and r['kind'] == 'encoder']
    each = [r for r in records if 'splits' not in r and r['kind'] == 'encoder']
    assert [r['split']['query'] for r in each] == ['fold0_test.txt', 'fold2_test.txt']
    assert mean['metrics']['acc/top1' if 'acc/top1' in mean['metrics'] else 'top1']['value'] == (
        pytest.approx(statistics.mean(next(iter(r['metrics'].values()))['value'] for r in each))
    )
    assert mean['protocol'] == 'scratch' and mean['splits'] == [0, 2]
    assert (tmp_path / 'work' / 'split2' / 'last_checkpoint').is_file()
    assert 'standard deviation over splits 0, 2' in done.stdout


@pytest.mark.slow
def test_baselines_of_ut_interaction(shared_data, tmp_path, monkeypatch):
    """Figures that others measured on the five folds, 120 queries: an error of some 4.5 points."""
    (tmp_path / 'data').mkdir()
    (tmp_path / 'data' / 'ut_interaction').symlink_to(shared_data / 'videos' / 'ut_interaction')
    monkeypatch.chdir(tmp_path)
    cfg = load('linear', 'ut_interaction_folds')
    encoder = build_encoder('random', find_config('memdpc_ut_interaction'))
    records = evaluate_splits({fold: with_split(cfg, fold) for fold in range(5)}, encoder)
    found = {(r['subject'], r['protocol'].split('/')[0]): r for r in records if 'splits' in r}
    for subject, recall, linear in (
        ('first frame', 35.8, 30.0),
        ('motion map', 65.8, 70.8),
        ('motion over time', 35.8, 48.3),
        ('length, aspect', 45.0, 60.8),
        ('random', 46.9, 45.5),
    ):
        for protocol, expected in (('retrieval', recall), ('linear', linear)):
            record = found[subject, protocol]
            assert record['num_queries'] == 120
            assert abs(next(iter(record['metrics'].values()))['value'] - expected) < 9, subject
    assert any('motion map' in w for w in found['random', 'linear']['warnings'])
