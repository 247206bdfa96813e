"""Every protocol on a few clips of UT-Interaction, RGB and flow, through the shipped configs."""

import json
from pathlib import Path

import pytest

from helpers.probe_set import save_checkpoint
from helpers.tiny_run import run_stages
from mmssl_video.commands.flow import main as extract_flow
from mmssl_video.commands.test import main as run_test
from mmssl_video.settings.names import find_config

pytestmark = pytest.mark.slow

NARROW = {
    'model.backbone.base_channels': 4,
    'model.neck.in_channels': 16,
    'model.neck.hidden_channels': 16,
    'model.predictor.in_channels': 16,
    'model.predictor.out_channels': 16,
    'model.predictor.num_slots': 8,
}
# What makes the 64 x 64 pipelines of the pre-training those of 32 x 32.
SMALL = {
    'train_dataloader.dataset.pipeline.resize.scale': (32, 32),
    'val_dataloader.dataset.pipeline.resize.scale': (-1, 36),
    'val_dataloader.dataset.pipeline.crop.crop_size': 32,
}
# Cached protocols, and what their records say.
CACHED = {
    'all': [
        'linear/cached',
        'linear/cached-grid',
        'mlp/cached',
        'knn/cosine',
        'knn/weighted',
        'retrieval/context-mean-cosine',
    ],
    'retrieval_dpc': ['retrieval/block-cosine'],
    'retrieval_sstl': ['retrieval/clip-search'],
    'retrieval_fgkvmem': ['retrieval/mean-10-clips'],
    'retrieval_fgkvmem_released': ['retrieval/multi-view-query'],
}
# What trains: (config, its protocol) on RGB and on flow.
ONLINE = {
    '': ('linear_online_memdpc', 'linear/online'),
    '_flow': ('finetune_memdpc', 'finetune'),
}
DATA = {
    '': ['--data', 'ut_interaction_folds'],
    '_flow': ['--data', 'ut_interaction_folds', '--flow'],
}
PER_CLASS = dict(train=2, test=1)
CLASSES = 6


@pytest.fixture(scope='module')
def world(shared_data, tmp_path_factory):
    """A folder with a small ``data/ut_interaction``, its flow, and a narrow encoder of each."""
    source = shared_data / 'videos' / 'ut_interaction'
    if not source.is_dir():
        pytest.skip('the UT-Interaction clips are not there')
    root = tmp_path_factory.mktemp('ut_interaction')
    data = root / 'data' / 'ut_interaction'
    (data / 'folds').mkdir(parents=True)
    (data / 'videos').symlink_to(source / 'videos')
    (data / 'classes.txt').write_text((source / 'classes.txt').read_text())
    lists = []
    for name, count in PER_CLASS.items():
        lines = (source / 'folds' / f'fold0_{name}.txt').read_text().splitlines(True)
        lists.append(data / 'folds' / f'fold0_{name}.txt')
        lists[-1].write_text(
            ''.join(
                line
                for label in range(CLASSES)
                for line in [each for each in lines if each.endswith(f' {label}\n')][:count]
            )
        )
    extract_flow(
        [
            *map(str, lists),
            '--root',
            str(data / 'videos'),
            '--resize',
            '32',
            '--out',
            str(data / 'flow' / 'videos'),
            '--workers',
            '1',
        ]
    )
    for kind in ('', '_flow'):
        config = find_config(f'memdpc{kind}_ut_interaction')
        save_checkpoint(config, root / f'encoder{kind}.pth', **NARROW, **SMALL)
    return root


@pytest.mark.parametrize('kind', ['', '_flow'], ids=['rgb', 'flow'])
@pytest.mark.parametrize('name', CACHED)
def test_cached_protocols(world, name, kind, monkeypatch):
    monkeypatch.chdir(world)
    out = f'{name}{kind}'
    options = [f'evaluation.{role}.num_workers=0' for role in ('gallery', 'query')]
    if name == 'all':
        options += [
            f'evaluation.protocol.{i}.{key}'
            for i in (1, 2)
            for key in ('min_steps=20', 'epochs=20', 'validations=1')
        ]
    run_test(
        [
            name,
            *DATA[kind],
            f'encoder{kind}.pth',
            '--out',
            f'{out}.json',
            '--work-dir',
            out,
            '--cfg-options',
            *options,
        ]
    )
    records = json.loads(Path(f'{out}.json').read_text())
    mine = [each for each in records if each['subject'] == f'encoder{kind}.pth']
    assert [each['protocol'] for each in mine] == CACHED[name]
    for record in records:
        assert record['dataset'] == 'UT-Interaction' + (', flow' if kind else '')
        assert record['unreadable'] == dict(gallery=[], query=[])
        assert all(
            0 <= value['low'] <= value['value'] <= value['high'] <= 100
            for value in record['metrics'].values()
        )
    for record in mine:
        assert (record['num_gallery'], record['num_queries']) == (12, 6)
    motion = 'flow change map' if kind else 'motion map'
    assert {'random', motion} <= {each['subject'] for each in records}


ONLINE_OPTIONS = [
    'train_cfg.max_epochs=1',
    'train_cfg.val_interval=1',
    'train_dataloader.batch_size=6',
    'train_dataloader.persistent_workers=False',
    'val_dataloader.persistent_workers=False',
    *(f'{part}_dataloader.num_workers=0' for part in ('train', 'val', 'test')),
    *(
        f'{part}_dataloader.dataset.pipeline.{key}'
        for part in ('train', 'val', 'test')
        for key in ('sample.stride=1', 'shrink.scale=(32,32)')
    ),
]


@pytest.fixture(scope='module')
def trained(world):
    """Exit code and log of an epoch of what trains, RGB and flow."""
    stages = [
        dict(
            env={},
            log=str(world / f'{config}.log'),
            args=[
                config,
                *DATA[kind],
                '--pretrained',
                f'encoder{kind}.pth',
                '--work-dir',
                f'run{kind}',
                '--cfg-options',
                *ONLINE_OPTIONS,
            ],
        )
        for kind, (config, _) in ONLINE.items()
    ]
    codes = run_stages(stages, world)
    return {
        kind: (code, Path(stage['log']).read_text())
        for kind, stage, code in zip(ONLINE, stages, codes)
    }


@pytest.mark.parametrize('kind', ONLINE, ids=['linear probe, rgb', 'fine-tuning, flow'])
def test_online_protocols(world, trained, kind, monkeypatch):
    code, log = trained[kind]
    assert code == 0, log[-3000:]
    monkeypatch.chdir(world)
    config, protocol = ONLINE[kind]
    run_test(
        [
            config,
            *DATA[kind],
            f'run{kind}/epoch_1.pth',
            '--no-baselines',
            '--work-dir',
            f'run{kind}',
            '--cfg-options',
            *ONLINE_OPTIONS,
        ]
    )
    [record] = json.loads(Path(f'run{kind}', 'results.json').read_text())
    name = 'UT-Interaction' + (', flow' if kind else '')
    assert (record['protocol'], record['dataset']) == (protocol, name)
    assert (record['num_queries'], record['num_gallery'], record['num_classes']) == (6, 12, 6)
    assert record['options']['pretrained'] == f'encoder{kind}.pth'
