"""Shipped configs that train a network or a head online: the papers' figures, and that they fit."""

import argparse

import pytest
from mmaction.registry import MODELS, TRANSFORMS
from mmengine.config import Config

from mmssl_video.apis import classification
from mmssl_video.commands.arguments import ConfigOptions
from mmssl_video.settings.checks import check_config
from mmssl_video.settings.names import config_dir
from mmssl_video.settings.pretrained import check_pretrained, set_num_blocks, use_checkpoint_encoder

PROTOCOLS = dict(
    finetune='finetune',
    scratch='scratch',
    linear='linear/online',
    nonlinear='mlp/online',
    lowlabel='finetune',
)
CONFIGS = sorted(
    path
    for kind in ('finetune', 'scratch', 'linear_online', 'nonlinear_online', 'lowlabel')
    for path in config_dir().glob(f'{kind}_*.py')
)
SETS = dict(ucf101='UCF101', hmdb51='HMDB51', demo='demo videos')


def load(name):
    cfg = Config.fromfile(config_dir() / f'{name}.py')
    set_num_blocks(cfg)
    return cfg


def steps(cfg, loader):
    return {step.type: step for step in cfg[f'{loader}_dataloader'].dataset.pipeline}


def test_every_paper_has_its_configs():
    names = {path.stem for path in CONFIGS}
    for data in SETS:
        assert names >= {
            f'{kind}_{method}_{data}'
            for kind in ('finetune', 'scratch')
            for method in ('dpc', 'memdpc', 'sstl', 'fgkvmem', 'memdpc_flow')
        }
        assert names >= {
            f'linear_online_{method}_{data}'
            for method in ('dpc', 'memdpc', 'fgkvmem', 'memdpc_flow')
        }
        assert {f'nonlinear_online_memdpc_{data}', f'lowlabel_memdpc_{data}'} <= names
    assert 'lowlabel_memdpc_flow_ucf101' in names


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_it_builds_and_fits(path):
    cfg = load(path.stem)
    check_config(cfg)
    kind, data = path.stem.split('_')[0], path.stem.split('_')[-1]
    flow = ', flow' if 'flow' in path.stem else ''
    assert cfg.classification == dict(protocol=PROTOCOLS[kind], dataset=SETS[data] + flow)
    assert cfg.load_from == (None if kind == 'scratch' else 'required')
    assert cfg.encoder_from == 'checkpoint'
    assert cfg.optim_wrapper.constructor == 'TrainableParamsConstructor'
    cfg.model.cls_head.num_classes = 51
    for augment in (cfg.model.data_preprocessor.get('blending') or {}).get('augments', ()):
        augment.num_classes = 51
    model = MODELS.build(cfg.model)
    assert model.frozen == (kind in ('linear', 'nonlinear')) and model.norm_eval
    assert all(p.requires_grad != model.frozen for p in model.backbone.parameters())
    lists = {name: cfg[f'{name}_dataloader'].dataset for name in ('train', 'val', 'test')}
    assert len({lists[name].ann_file for name in lists}) == 2
    for dataset in lists.values():
        for step in dataset.pipeline:
            TRANSFORMS.build(step)
        assert dataset.ann_file.startswith(f'data/{data}/')
        assert ('_10percent_seed0' in dataset.ann_file) == (
            kind == 'lowlabel' and dataset is lists['train']
        )
        assert dataset.classes == f'data/{data}/classes.txt'
        assert dataset.get('modality', 'RGB') == ('Flow' if 'flow' in path.stem else 'RGB')
        assert {'name', 'sample_idx'} <= set(dataset.pipeline[-1].meta_keys)
    assert 'VideoColorJitter' not in steps(cfg, 'val')
    assert steps(cfg, 'val')['SampleWindow'].mode == 'center'


@pytest.mark.parametrize(
    ('name', 'optimizer', 'epochs'),
    [
        ('finetune_dpc_ucf101', dict(type='Adam', lr=1e-3, weight_decay=1e-3), 100),
        ('finetune_memdpc_ucf101', dict(type='Adam', lr=1e-3, weight_decay=1e-3), 200),
        ('finetune_sstl_hmdb51', dict(type='SGD', lr=0.02, momentum=0.9, weight_decay=0.01), 120),
        ('finetune_fgkvmem_ucf101', dict(type='SGD', lr=0.2, momentum=0.9, weight_decay=0.0), 200),
        (
            'linear_online_fgkvmem_ucf101',
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
    cfg = load('lowlabel_memdpc_demo')
    with pytest.raises(ValueError, match='starts from a pre-trained encoder'):
        check_pretrained(cfg)
    comment = (config_dir() / 'lowlabel_memdpc_demo.py').read_text()
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=ConfigOptions)
    keys = ['load_from=None', 'classification.protocol=scratch']
    assert f'--cfg-options {" ".join(keys)}\n' in comment
    cfg.merge_from_dict(parser.parse_args(['--cfg-options', *keys]).cfg_options)
    check_pretrained(cfg)
    scratch = load('scratch_memdpc_demo')
    assert cfg.model == scratch.model and cfg.classification == scratch.classification
    assert not cfg.load_from and not scratch.load_from


def test_heads_and_views_of_the_papers():
    dpc, memdpc, flow, sstl, fgkv = (
        load(f'finetune_{name}_ucf101')
        for name in ('dpc', 'memdpc', 'memdpc_flow', 'sstl', 'fgkvmem')
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
    linear = load('linear_online_fgkvmem_ucf101').model.cls_head
    assert linear.dropout == 0 and not linear.batch_norm
    assert 'VideoColorJitter' not in steps(flow, 'train')
    assert steps(load('finetune_memdpc_224_ucf101'), 'test')['MultiCrop'].crop_size == 224
    assert 'Resize' in steps(memdpc, 'train') and 'Resize' in steps(dpc, 'train')


def test_parameters_of_the_stand_in_for_r3d18():
    cfg = load('scratch_fgkvmem_ucf101')
    cfg.model.cls_head.num_classes = 101
    backbone = MODELS.build(cfg.model).backbone
    assert round(sum(p.numel() for p in backbone.parameters()) / 1e6, 2) == 33.17


def trained_like(name, **changes):
    cfg = Config.fromfile(config_dir() / f'{name}.py')
    cfg.merge_from_dict(changes)
    return dict(meta=dict(cfg=cfg.pretty_text))


def said_of_frames(monkeypatch, name, contents, **changes):
    said = []
    monkeypatch.setattr(classification, 'print_log', lambda text, *_: said.append(text))
    cfg = Config.fromfile(config_dir() / f'{name}.py')
    cfg.merge_from_dict(changes)
    use_checkpoint_encoder(cfg, contents, 'a.pth')
    return said


def test_frames_other_than_those_of_the_pretraining_are_named(monkeypatch):
    contents = trained_like('memdpc_demo')
    assert said_of_frames(monkeypatch, 'finetune_memdpc_demo', contents) == []
    key = 'train_dataloader.dataset.pipeline.1'
    [text] = said_of_frames(monkeypatch, 'finetune_memdpc_demo', contents, **{f'{key}.stride': 1})
    assert text == (
        'a.pth was trained on clips of stride=3, and is trained on stride=1 now: if that is not '
        f'meant, set {key}.stride with --cfg-options, and the same of val_dataloader and '
        'test_dataloader'
    )
    [text] = said_of_frames(
        monkeypatch,
        'finetune_memdpc_demo',
        trained_like('memdpc_demo', **{f'{key}.num_frames': 24}),
    )
    assert 'num_frames=24, and is trained on num_frames=40' in text and 'num_frames with' in text
    [text] = said_of_frames(monkeypatch, 'finetune_memdpc_ucf101', contents)
    assert 'size=64' in text and 'size=128' in text and '.scale' in text
    [text] = said_of_frames(
        monkeypatch,
        'finetune_fgkvmem_demo',
        trained_like('fgkvmem_demo', **{'train_dataloader.dataset.pipeline.1.stride': 1}),
        **{'train_dataloader.dataset.pipeline.4.size': 56},
    )
    assert 'size=64' in text and 'size=56' in text and 'pipeline.4.size' in text
    # the number of blocks is a choice; what is in one is compared
    assert said_of_frames(monkeypatch, 'finetune_memdpc_demo', contents, num_blocks=3) == []
    assert said_of_frames(monkeypatch, 'finetune_dpc_demo', trained_like('dpc_demo')) == []
    [text] = said_of_frames(
        monkeypatch,
        'finetune_memdpc_demo',
        trained_like('memdpc_demo', **{f'{key}.num_frames': 80}),
        num_blocks=3,
    )
    assert 'num_frames=10 (a block), and is trained on num_frames=5 (a block)' in text
