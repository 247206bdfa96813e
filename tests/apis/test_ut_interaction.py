"""Every protocol on a few clips of UT-Interaction, RGB and flow, through the shipped configs."""

import json
from pathlib import Path

import pytest
from mmengine.config import Config

from helpers.probe_set import save_checkpoint
from helpers.tool_stages import run_stages
from mmssl_video.commands.flow import main as extract_flow
from mmssl_video.commands.test import main as run_test
from mmssl_video.settings.names import config_dir

pytestmark = pytest.mark.slow

NARROW = {
    'model.backbone.base_channels': 4,
    'model.neck.in_channels': 16,
    'model.neck.hidden_channels': 16,
    'model.predictor.in_channels': 16,
    'model.predictor.out_channels': 16,
    'model.predictor.num_slots': 8,
}
# Names of the shipped configs, without "_ut_interaction_folds"; their protocols.
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
    '': ('linear_online_memdpc_demo', 'linear/online'),
    '_flow': ('finetune_memdpc_flow_demo', 'finetune'),
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
        config = config_dir() / f'memdpc{kind}_ut_interaction.py'
        crops = {
            f'{part}_dataloader.dataset.pipeline.{i}.{key}': size
            for part in ('train', 'val')
            for i, key, size in resized(config, part)
        }
        save_checkpoint(config, root / f'encoder{kind}.pth', **NARROW, **crops)
    return root


def resized(config, part):
    """What makes the 64 x 64 pipeline of a config one of 32 x 32: step, key, value."""
    for i, step in enumerate(Config.fromfile(config)[f'{part}_dataloader'].dataset.pipeline):
        if 'crop_size' in step:
            yield i, 'crop_size', 32
        elif 'scale' in step:
            yield i, 'scale', (-1, 36) if -1 in step.scale else (32, 32)


@pytest.mark.parametrize('kind', ['', '_flow'], ids=['rgb', 'flow'])
@pytest.mark.parametrize('name', CACHED)
def test_cached_protocols(world, name, kind, monkeypatch):
    monkeypatch.chdir(world)
    config = f'{name}{kind}_ut_interaction_folds'
    options = [f'evaluation.{role}.num_workers=0' for role in ('gallery', 'query')]
    if name == 'all':
        options += [
            f'evaluation.protocol.{i}.{key}'
            for i in (1, 2)
            for key in ('min_steps=20', 'epochs=20', 'validations=1')
        ]
    run_test(
        [
            config,
            f'encoder{kind}.pth',
            '--out',
            f'{config}.json',
            '--work-dir',
            config,
            '--cfg-options',
            *options,
        ]
    )
    records = json.loads(Path(f'{config}.json').read_text())
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


def online_options(kind):
    data = 'data/ut_interaction'
    options = [
        'train_cfg.max_epochs=1',
        'train_cfg.val_interval=1',
        'train_dataloader.batch_size=6',
        'train_dataloader.persistent_workers=False',
        'val_dataloader.persistent_workers=False',
        'classification.dataset=UT-Interaction',
    ]
    for part in ('train', 'val', 'test'):
        which = 'train' if part == 'train' else 'test'
        options += [f'{part}_dataloader.num_workers=0'] + [
            f'{part}_dataloader.dataset.{key}'
            for key in (
                f'ann_file={data}/folds/fold0_{which}.txt',
                f'classes={data}/classes.txt',
                f'data_prefix.video={data}{kind.replace("_", "/")}/videos',
                'pipeline.1.stride=1',
            )
        ]
    return options


@pytest.fixture(scope='module')
def trained(world):
    """Exit code and log of an epoch of what trains, RGB and flow."""
    stages = [
        dict(
            env={},
            log=str(world / f'{config}.log'),
            args=[
                config,
                '--pretrained',
                f'encoder{kind}.pth',
                '--work-dir',
                f'run{kind}',
                '--cfg-options',
                *online_options(kind),
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
            f'run{kind}/epoch_1.pth',
            '--no-baselines',
            '--work-dir',
            f'run{kind}',
            '--cfg-options',
            *online_options(kind),
        ]
    )
    [record] = json.loads(Path(f'run{kind}', 'results.json').read_text())
    assert (record['protocol'], record['dataset']) == (protocol, 'UT-Interaction')
    assert (record['num_queries'], record['num_gallery'], record['num_classes']) == (6, 12, 6)
    assert record['options']['pretrained'] == f'encoder{kind}.pth'
