"""Shipped evaluation configs with the encoders they are for: protocols and views fit each other."""

from functools import cache

import pytest

from helpers.configs import COMBINATIONS, load, read, spelling
from mmssl_video.apis import load_config
from mmssl_video.datasets.views import test_pipeline, view_of
from mmssl_video.settings.evaluation import ROLES, evaluation_settings, protocol_of

CACHED = [each for each in COMBINATIONS if 'evaluation' in read(each[0])]
ENCODERS = {
    'demo': ('memdpc_demo', 'sstl_demo', 'fgkvmem_demo'),
    'ucf101': ('dpc_ucf101', 'memdpc_ucf101', 'sstl_ucf101', 'fgkvmem_r3d18_ucf101'),
}


@cache
def _encoder(name):
    return load(name)


def views_of(encoder, options):
    return view_of(test_pipeline(view_of(_encoder(encoder)), **options))


def options_of(settings, role):
    return {**settings.get('views', {}), **settings[role].get('views', {})}


@pytest.mark.parametrize('name, data, flow', CACHED, ids=spelling)
def test_every_protocol_takes_every_encoder(name, data, flow):
    cfg, videos = load(name, data, flow), read(data).data
    settings = evaluation_settings(cfg)
    assert settings['dataset'] == videos.name + ', flow' * flow
    assert cfg.work_dir == f'work_dirs/{name}{"_flow" * flow}_{data}'
    lists = videos.flow if flow else videos
    for role, given in (('gallery', lists.get('labelled', lists.train)), ('query', lists.test)):
        dataset = settings[role]['dataset']
        assert (dataset.get('modality') == 'Flow') == flow
        assert dataset.test_mode and dataset.get('classes') == videos.get('classes')
        assert {key: dataset[key] for key in given} == given
    for encoder in ENCODERS['demo' if data == 'demo' else 'ucf101']:
        views = {role: views_of(encoder, options_of(settings, role)).num_views for role in ROLES}
        for config in settings['protocol']:
            protocol, options, _level = protocol_of(config, settings.get('feature'))
            protocol.check_views(views)
            assert not options.get('ks') or max(options['ks']) <= 50


def test_short_clips_are_looked_at_more_closely_unless_the_protocol_says_how():
    views = {
        (name, data): load(name, data).evaluation.get('views', {})
        for name in ('retrieval', 'retrieval_sstl', 'retrieval_dpc')
        for data in ('ucf101', 'ut_interaction_folds')
    }
    assert views['retrieval', 'ut_interaction_folds'] == dict(stride=2)
    assert views['retrieval_dpc', 'ut_interaction_folds'] == dict(stride=2, mode='center')
    assert 'stride' not in views['retrieval', 'ucf101']
    assert views['retrieval_sstl', 'ut_interaction_folds'] == views['retrieval_sstl', 'ucf101']


@pytest.mark.parametrize('data', ['demo', 'ucf101', 'hmdb51', 'k400'])
def test_the_linear_protocol_judges_by_both_cached_probes(data):
    protocols = load('linear', data).evaluation.protocol
    assert [protocol.type for protocol in protocols] == ['linear/cached', 'linear/cached-grid']
    assert ('folds' in protocols[0]) == (data == 'demo')


def test_few_labels_by_one_key():
    cfg = load('linear', 'ucf101')
    assert cfg.evaluation.gallery.dataset.ann_file == 'data/ucf101/train_split1.txt'
    cfg = load_config('linear', dict(subset='10percent_seed0'), 'ucf101')
    lists = [cfg.evaluation[role].dataset.ann_file for role in ROLES]
    assert lists == [
        'data/ucf101/train_split1_10percent_seed0.txt',
        'data/ucf101/test_split1.txt',
    ]


@pytest.mark.parametrize(
    'name, data, encoder, gallery, query',
    [
        (
            'retrieval_sstl',
            'ucf101',
            'sstl_ucf101',
            *['10 uniform windows of 16 frames at stride 1'] * 2,
        ),
        (
            'retrieval_fgkvmem',
            'ucf101',
            'fgkvmem_r3d18_ucf101',
            *['10 uniform windows of 16 frames at stride 4'] * 2,
        ),
        (
            'retrieval_fgkvmem',
            'hmdb51',
            'fgkvmem_slow18_k400',
            *['10 uniform windows of 8 frames at stride 8'] * 2,
        ),
        (
            'retrieval_fgkvmem_released',
            'ucf101',
            'fgkvmem_r3d18_ucf101',
            'center windows of 16 frames at stride 4, CenterCrop 112',
            '10 uniform windows of 16 frames at stride 4, three crops of 112',
        ),
        (
            'retrieval',
            'ucf101',
            'memdpc_ucf101',
            *['sliding windows of 40 frames at stride 3, 8 blocks'] * 2,
        ),
        (
            'retrieval_dpc',
            'ucf101',
            'dpc_ucf101',
            *['center windows of 40 frames at stride 3, 8 blocks'] * 2,
        ),
    ],
)
def test_views_are_those_of_the_papers(name, data, encoder, gallery, query):
    settings = evaluation_settings(load(name, data))
    for role, words in (('gallery', gallery), ('query', query)):
        options = options_of(settings, role)
        assert views_of(encoder, options).sentence.startswith(words)


def test_views_that_differ_are_described_differently():
    released, ours = (
        view_of(load(name, 'ucf101').test_dataloader).sentence
        for name in ('finetune_memdpc_releasedtest', 'finetune_memdpc')
    )
    assert ours == (
        'at most 64 sliding windows of 40 frames at stride 3, 8 blocks, five crops of '
        '224 out of 256 and their mirror images, mean over views'
    )
    assert 'at stride 3 moving by 59 frames, ' in released and ', colours jittered, ' in released
    shares = {views_of('memdpc_ucf101', dict(crop_share=share)).sentence for share in (1, 0.875)}
    assert len(shares) == 2
