"""Shipped configs that train a network or a head online: the papers' figures, and that they fit."""

import argparse

import pytest
from mmaction.registry import MODELS

from helpers.configs import COMBINATIONS, build, read, spelling
from helpers.configs import load as shipped
from mmssl_video.apis import load_config
from mmssl_video.commands.arguments import ConfigOptions
from mmssl_video.datasets import flow_format
from mmssl_video.datasets.pipelines import build_steps, pipeline_of
from mmssl_video.datasets.transforms.flow_input import check_flow_pipeline
from mmssl_video.datasets.views import view_of
from mmssl_video.settings import pretrained as pretrained_settings
from mmssl_video.settings.checks import check_config
from mmssl_video.settings.names import find_config
from mmssl_video.settings.pretrained import (
    check_pretrained,
    set_num_blocks,
    use_checkpoint_encoder,
)

KINDS = dict(
    finetune='finetune',
    scratch='scratch',
    linear='linear/online',
    nonlinear='mlp/online',
    lowlabel='finetune',
)
ONLINE = [each for each in COMBINATIONS if 'classification' in read(each[0])]


def load(name, data='ucf101', flow=False, **changes):
    cfg = shipped(name, data, flow, **changes)
    set_num_blocks(cfg)
    return cfg


def steps(cfg, loader):
    return {step.type: step for step in pipeline_of(cfg[f'{loader}_dataloader'])}


def test_every_paper_has_its_protocols():
    assert {name for name, _, _ in ONLINE} >= {
        *(
            f'{kind}_{method}'
            for kind in ('finetune', 'scratch')
            for method in ('dpc', 'memdpc', 'sstl', 'fgkvmem')
        ),
        *(f'linear_online_{method}' for method in ('dpc', 'memdpc', 'fgkvmem')),
        'nonlinear_online_memdpc',
        'lowlabel_memdpc',
    }


@pytest.mark.parametrize('name, data, flow', ONLINE, ids=spelling)
def test_it_builds_and_fits(name, data, flow):
    cfg = load(name, data, flow)
    check_config(cfg)
    kind, videos = name.split('_')[0], read(data).data
    assert cfg.classification == dict(protocol=KINDS[kind], dataset=videos.name + ', flow' * flow)
    assert cfg.work_dir == f'work_dirs/{name}{"_flow" * flow}_{data}'
    assert cfg.load_from == (None if kind == 'scratch' else 'required')
    assert cfg.encoder_from == 'checkpoint'
    assert cfg.optim_wrapper.constructor == 'TrainableParamsConstructor'
    assert cfg.model.frozen == (kind in ('linear', 'nonlinear')) and cfg.model.norm_eval
    lists = videos.flow if flow else videos
    for part in ('train', 'val', 'test'):
        dataset = cfg[f'{part}_dataloader'].dataset
        given = lists.get('labelled', lists.train) if part == 'train' else lists.test
        expected = given.ann_file
        if kind == 'lowlabel' and part == 'train':
            expected = expected.replace('.txt', '_10percent_seed0.txt')
        assert dataset.ann_file == expected
        assert dataset.data_prefix == given.data_prefix
        assert dataset.get('classes') == videos.get('classes')
        assert dataset.get('modality', 'RGB') == ('Flow' if flow else 'RGB')
        assert {'name', 'sample_idx'} <= set(dataset.pipeline.pack.meta_keys)
    assert 'VideoColorJitter' not in steps(cfg, 'val')
    assert steps(cfg, 'val')['SampleWindow'].mode == 'center'
    if flow:
        check_flow_pipeline(build_steps(cfg.train_dataloader.dataset.pipeline))
        assert tuple(cfg.model.data_preprocessor.mean) == flow_format.MEAN


@pytest.mark.parametrize('data', ['ucf101', 'demo'])
@pytest.mark.parametrize('name', sorted({name for name, _, _ in ONLINE}))
def test_its_model_builds_and_is_frozen_where_it_says_so(name, data):
    cfg = load(name, data)
    cfg.model.cls_head.num_classes = 51
    for augment in (cfg.model.data_preprocessor.get('blending') or {}).get('augments', ()):
        augment.num_classes = 51
    assert MODELS.build(cfg.model.pop('data_preprocessor')) is not None
    model = build(cfg)
    assert model.frozen == (name.split('_')[0] in ('linear', 'nonlinear')) and model.norm_eval
    assert all(p.requires_grad != model.frozen for p in model.backbone.parameters())


def test_what_differs_between_data_sets_is_written_in_the_protocol():
    """Epochs of DPC's released code on HMDB51; small networks and frames for the demo videos."""
    ucf101, hmdb51, demo = (load('finetune_dpc', data) for data in ('ucf101', 'hmdb51', 'demo'))
    assert [cfg.train_cfg.max_epochs for cfg in (ucf101, hmdb51, demo)] == [100, 300, 12]
    assert [cfg.param_scheduler[0].milestones for cfg in (ucf101, hmdb51, demo)] == [
        [60, 80],
        [150, 250],
        [8, 10],
    ]
    for name, size in (('finetune_dpc', 64), ('finetune_fgkvmem', 64), ('finetune_sstl', 64)):
        cfg = load(name, 'demo')
        assert cfg.model.backbone.base_channels == 16 and cfg.train_cfg.max_epochs == 12
        assert view_of(cfg.train_dataloader).size == size
        assert 'per_data' not in cfg


@pytest.mark.parametrize(
    ('name', 'optimizer', 'epochs'),
    [
        ('finetune_dpc', dict(type='Adam', lr=1e-3, weight_decay=1e-3), 100),
        ('finetune_memdpc', dict(type='Adam', lr=1e-3, weight_decay=1e-3), 200),
        ('finetune_sstl', dict(type='SGD', lr=0.02, momentum=0.9, weight_decay=0.01), 120),
        ('finetune_fgkvmem', dict(type='SGD', lr=0.2, momentum=0.9, weight_decay=0.0), 200),
        (
            'linear_online_fgkvmem',
            dict(type='SGD', lr=0.2, momentum=0.9, weight_decay=0.0),
            100,
        ),
    ],
)
def test_recipes_of_the_papers(name, optimizer, epochs):
    cfg = load(name)
    assert cfg.optim_wrapper.optimizer == optimizer and cfg.train_cfg.max_epochs == epochs
    [schedule] = cfg.param_scheduler
    if schedule.type == 'CosineAnnealingLR':
        assert schedule.T_max == epochs
    elif 'sstl' in name:
        assert (schedule.milestones, schedule.gamma) == ([50, 80, 100], 0.15)


def test_few_labels_from_scratch_by_the_keys_its_comment_names():
    cfg = load('lowlabel_memdpc', 'demo')
    with pytest.raises(ValueError, match='starts from a pre-trained encoder'):
        check_pretrained(cfg)
    comment = find_config('lowlabel_memdpc').read_text()
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=ConfigOptions)

    def options(*keys):
        assert f'--cfg-options {" ".join(keys)}' in comment
        return parser.parse_args(['--cfg-options', *keys]).cfg_options

    keys = options('load_from=None', 'classification.protocol=scratch')
    cfg = load_config('lowlabel_memdpc', keys, 'demo')
    check_pretrained(cfg)
    scratch = load('scratch_memdpc', 'demo')
    assert cfg.model == scratch.model and cfg.classification == scratch.classification
    assert not cfg.load_from and not scratch.load_from
    for option, name in (('20percent_seed0', 'train_20percent_seed0'), ('None', 'train')):
        chosen = parser.parse_args(['--cfg-options', f'subset={option}']).cfg_options
        cfg = load_config('lowlabel_memdpc', chosen, 'demo')
        assert cfg.train_dataloader.dataset.ann_file == f'data/demo/{name}.txt'
        assert cfg.val_dataloader.dataset.ann_file == 'data/demo/test.txt'
    options('subset=20percent_seed0')


def test_heads_and_views_of_the_papers():
    dpc, memdpc, flow, sstl, fgkv = (
        load(f'finetune_{name}', flow=flow)
        for name, flow in (
            ('dpc', False),
            ('memdpc', False),
            ('memdpc', True),
            ('sstl', False),
            ('fgkvmem', False),
        )
    )
    assert dpc.model.num_blocks == 5 and steps(dpc, 'test')['SampleWindow'].num_frames == 25
    assert memdpc.model.num_blocks == 8 and memdpc.model.cls_head.dropout == 0.9
    crops = [
        (steps(cfg, 'test')['MultiCrop'].crops, steps(cfg, 'test')['MultiCrop'].get('flip', False))
        for cfg in (dpc, memdpc, sstl, fgkv)
    ]
    assert crops == [('center', False), ('five', True), ('center', False), ('three', False)]
    assert [steps(cfg, 'test')['SampleWindow'].num_windows for cfg in (sstl, fgkv)] == [5, 10]
    assert steps(memdpc, 'test')['SampleWindow'].overlap == 0.5
    assert (fgkv.model.cls_head.dropout, fgkv.model.cls_head.batch_norm) == (0.5, False)
    linear = load('linear_online_fgkvmem').model.cls_head
    assert linear.dropout == 0 and not linear.batch_norm
    assert 'VideoColorJitter' not in steps(flow, 'train')
    assert steps(load('finetune_memdpc_224'), 'test')['MultiCrop'].crop_size == 224
    sizes = [
        view_of(cfg.test_dataloader).size
        for cfg in (dpc, memdpc, sstl, fgkv, load('finetune_memdpc_224'))
    ]
    assert sizes == [128, 128, 112, 128, 224]


def test_parameters_of_the_stand_in_for_r3d18():
    cfg = load('scratch_fgkvmem')
    cfg.model.cls_head.num_classes = 101
    backbone = build(cfg).backbone
    assert round(sum(p.numel() for p in backbone.parameters()) / 1e6, 2) == 33.17


def trained_like(name, **changes):
    cfg = shipped(name, **changes)
    return dict(meta=dict(cfg=cfg.pretty_text))


def said_of_frames(monkeypatch, name, data, contents, **changes):
    said = []
    monkeypatch.setattr(pretrained_settings, 'print_log', lambda text, *_: said.append(text))
    cfg = shipped(name, data, **changes)
    use_checkpoint_encoder(cfg, contents, 'a.pth')
    return said


def test_frames_other_than_those_of_the_pretraining_are_named(monkeypatch):
    contents = trained_like('memdpc_demo')
    assert said_of_frames(monkeypatch, 'finetune_memdpc', 'demo', contents) == []
    key = 'train_dataloader.dataset.pipeline.sample'
    [text] = said_of_frames(
        monkeypatch, 'finetune_memdpc', 'demo', contents, **{f'{key}.stride': 1}
    )
    assert text == (
        'a.pth was trained on clips of stride=3, and is trained on stride=1 now: if that is not '
        f'meant, set {key}.stride with --cfg-options, and the same of val_dataloader and '
        'test_dataloader'
    )
    [text] = said_of_frames(
        monkeypatch,
        'finetune_memdpc',
        'demo',
        trained_like('memdpc_demo', **{f'{key}.num_frames': 24}),
    )
    assert 'num_frames=24, and is trained on num_frames=40' in text and 'num_frames with' in text
    [text] = said_of_frames(monkeypatch, 'finetune_memdpc', 'ucf101', contents)
    assert 'size=64' in text and 'size=128' in text and '.scale' in text
    [text] = said_of_frames(
        monkeypatch,
        'finetune_fgkvmem',
        'demo',
        trained_like('fgkvmem_demo', **{'train_dataloader.dataset.pipeline.sample.stride': 1}),
        **{'train_dataloader.dataset.pipeline.crop.size': 56},
    )
    assert 'size=64' in text and 'size=56' in text and 'pipeline.crop.size' in text
    # the number of blocks is a choice; what is in one is compared
    assert said_of_frames(monkeypatch, 'finetune_memdpc', 'demo', contents, num_blocks=3) == []
    assert said_of_frames(monkeypatch, 'finetune_dpc', 'demo', trained_like('dpc_demo')) == []
    [text] = said_of_frames(
        monkeypatch,
        'finetune_memdpc',
        'demo',
        trained_like('memdpc_demo', **{f'{key}.num_frames': 80}),
        num_blocks=3,
    )
    assert 'num_frames=10 (a block), and is trained on num_frames=5 (a block)' in text
