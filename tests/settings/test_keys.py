"""A setting that nothing reads is refused, with the nearest one that is read."""

import inspect

import pytest
from mmengine.config import Config

from helpers.configs import COMBINATIONS, PRETRAININGS, spelling
from mmssl_video.apis import run_surprise
from mmssl_video.settings.keys import PART_KEYS, check_keys
from mmssl_video.settings.load import load_config

# --cfg-options: what the sentence advises
SLIPS = {
    'optimizer.lr': 'did you mean optim_wrapper.optimizer.lr?',
    'device': 'device: there is no setting device',
    'batchsize': 'did you mean train_dataloader.batch_size?',
    'anfile': 'did you mean train_dataloader.dataset.ann_file?',
    'data_prefix': 'did you mean train_dataloader.dataset.data_prefix?',
    'lr': 'did you mean optim_wrapper.optimizer.lr?',
    'seed': 'did you mean randomness.seed?',
    'epochs': 'did you mean train_cfg.max_epochs?',
    'modle.num_blocks': 'did you mean model.num_blocks?',
    'model.backbone.depht': 'did you mean model.backbone.depth?',
    'model.losses.prediction.temprature': 'did you mean model.losses.prediction.temperature?',
    'optim_wrapper.optimizer.lrr': 'did you mean optim_wrapper.optimizer.lr?',
    'optim_wrapper.clip_grad.maxnorm': 'did you mean optim_wrapper.clip_grad.max_norm?',
    'optim_wrapper.paramwise_cfg.custom_key': 'did you mean optim_wrapper.paramwise_cfg.custom_k',
    'train_dataloader.batchsize': 'did you mean train_dataloader.batch_size?',
    'train_dataloader.dataset.anfile': 'did you mean train_dataloader.dataset.ann_file?',
    'train_dataloader.dataset.pipeline.sample.strid': 'dataset.pipeline.sample.stride?',
    'val_dataloader.sampler.shufle': 'did you mean val_dataloader.sampler.shuffle?',
    'val_evaluator.prefx': 'did you mean val_evaluator.prefix?',
    'train_cfg.max_epoch': 'did you mean train_cfg.max_epochs?',
    'randomness.sed': 'did you mean randomness.seed?',
    'default_hooks.chekpoint.interval': 'did you mean default_hooks.checkpoint?',
    'default_hooks.checkpoint.intervall': 'did you mean default_hooks.checkpoint.interval?',
    'custom_hooks.1.often': 'custom_hooks.1 has no setting often; it has priority, type',
    'log_processor.window': 'it has by_epoch, custom_cfg, log_with_hierarchy',
}


@pytest.mark.parametrize('key', SLIPS)
def test_a_slip_in_an_option_is_refused_with_what_was_meant(key):
    with pytest.raises(ValueError) as refusal:
        load_config('memdpc_demo', {key: 3})
    assert str(refusal.value).startswith('--cfg-options ')
    assert SLIPS[key] in str(refusal.value)


@pytest.mark.parametrize(
    ('protocol', 'data', 'key', 'advice'),
    [
        ('linear', 'demo', 'evaluation.gallery.batchsize', 'evaluation.gallery.batch_size?'),
        ('unintentional_surprise', 'oops_demo', 'surprise.drw', 'surprise.draw?'),
        ('finetune_memdpc', 'demo', 'classification.protocoll', 'classification.protocol?'),
    ],
)
def test_a_slip_in_an_option_of_a_protocol(protocol, data, key, advice):
    with pytest.raises(ValueError, match=f'did you mean {advice}'.replace('?', r'\?')):
        load_config(protocol, {key: 3}, data=data)


def test_a_slip_in_a_file(tmp_path):
    file = tmp_path / 'own.py'
    file.write_text("_base_ = 'mmssl_video::memdpc_demo'\nmodel = dict(backbone=dict(depht=18))\n")
    with pytest.raises(
        ValueError, match=r'^model\.backbone\.depht: .*did you mean model\.backbone'
    ):
        load_config(file)
    file.write_text("_base_ = 'mmssl_video::memdpc_demo'\noptimizer = dict(lr=0.5)\n")
    with pytest.raises(ValueError, match=r'no setting optimizer; did .*names of your own begin'):
        load_config(file)


def test_names_of_ones_own(tmp_path):
    file = tmp_path / 'own.py'
    text = "_base_ = 'mmssl_video::memdpc_demo'\n_side = 3\nside = _side\n"
    file.write_text(text)
    with pytest.raises(ValueError, match='no setting side'):
        load_config(file)
    file.write_text(f"{text}custom_keys = ['side']\n")
    assert load_config(file).side == 3


@pytest.mark.parametrize('name', PRETRAININGS)
def test_shipped_pretrainings_say_nothing_unread(name):
    load_config(name)


@pytest.mark.parametrize(('protocol', 'data', 'flow'), COMBINATIONS, ids=spelling)
def test_shipped_protocols_say_nothing_unread(protocol, data, flow):
    load_config(protocol, data=data, flow=flow)


def test_a_part_of_unknown_type_is_left_to_its_builder():
    check_keys(Config(dict(model=dict(type='NotRegistered', anything=1))))


def test_the_table_names_the_arguments_of_surprise():
    arguments = set(inspect.signature(run_surprise).parameters)
    assert PART_KEYS['surprise'] - {'dataset'} <= arguments
