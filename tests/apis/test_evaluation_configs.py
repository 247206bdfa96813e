"""Shipped evaluation configs with the encoders they are for: protocols and views fit each other."""

import pytest
from mmengine.config import Config

from mmssl_video.apis.views import describe_views, num_views_of, view_pipeline
from mmssl_video.settings.evaluation import ROLES, evaluation_settings, protocol_of
from mmssl_video.settings.names import config_dir

CONFIGS = {path.stem: Config.fromfile(path) for path in sorted(config_dir().glob('*.py'))}
PROBES = [name for name, cfg in CONFIGS.items() if cfg.get('evaluation')]
ENCODERS = {
    'demo': ('memdpc_demo', 'sstl_demo', 'fgkvmem_demo'),
    'ucf101': ('dpc_ucf101', 'memdpc_ucf101', 'sstl_ucf101', 'fgkvmem_r3d18_ucf101'),
}


@pytest.mark.parametrize('name', PROBES)
def test_every_probe_takes_every_encoder(name):
    settings = evaluation_settings(CONFIGS[name])
    flow = 'flow' in name
    for encoder in ENCODERS['demo' if 'demo' in name else 'ucf101']:
        views = {}
        for role in ROLES:
            assert (settings[role]['dataset'].get('modality') == 'Flow') == flow
            options = {**settings.get('views', {}), **settings[role].get('views', {})}
            views[role] = num_views_of(view_pipeline(CONFIGS[encoder], **options))
        for config in settings['protocol']:
            protocol, options, level = protocol_of(config, settings.get('feature'))
            protocol.check_views(views)
            assert not options.get('ks') or max(options['ks']) <= 50


@pytest.mark.parametrize(
    'name, encoder, gallery, query',
    [
        (
            'retrieval_sstl_ucf101',
            'sstl_ucf101',
            *['10 uniform windows of 16 frames at stride 1'] * 2,
        ),
        (
            'retrieval_fgkvmem_ucf101',
            'fgkvmem_r3d18_ucf101',
            *['10 uniform windows of 16 frames at stride 4'] * 2,
        ),
        (
            'retrieval_fgkvmem_hmdb51',
            'fgkvmem_slow18_k400',
            *['10 uniform windows of 8 frames at stride 8'] * 2,
        ),
        (
            'retrieval_fgkvmem_released_ucf101',
            'fgkvmem_r3d18_ucf101',
            'center windows of 16 frames at stride 4, CenterCrop 112',
            '10 uniform windows of 16 frames at stride 4, three crops of 112',
        ),
        (
            'retrieval_ucf101',
            'memdpc_ucf101',
            *['sliding windows of 40 frames at stride 3, 8 blocks'] * 2,
        ),
        (
            'retrieval_dpc_ucf101',
            'dpc_ucf101',
            *['center windows of 40 frames at stride 3, 8 blocks'] * 2,
        ),
    ],
)
def test_views_are_those_of_the_papers(name, encoder, gallery, query):
    settings = evaluation_settings(CONFIGS[name])
    for role, words in (('gallery', gallery), ('query', query)):
        options = {**settings.get('views', {}), **settings[role].get('views', {})}
        assert describe_views(view_pipeline(CONFIGS[encoder], **options)).startswith(words)


def test_views_that_differ_are_described_differently():
    released, ours = (
        describe_views(CONFIGS[f'finetune_memdpc_{name}ucf101'].test_dataloader.dataset.pipeline)
        for name in ('releasedtest_', '')
    )
    assert ours == (
        'at most 64 sliding windows of 40 frames at stride 3, 8 blocks, five crops of '
        '224 out of 256 and their mirror images, mean over views'
    )
    assert 'at stride 3 moving by 59 frames, ' in released and ', colours jittered, ' in released
    shares = {
        describe_views(view_pipeline(CONFIGS['memdpc_ucf101'], crop_share=share))
        for share in (1, 0.875)
    }
    assert len(shares) == 2
