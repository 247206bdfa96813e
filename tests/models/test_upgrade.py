"""Checkpoints whose config is in the words of before load with all keys, and mean the same."""

import copy

import pytest
import torch
from mmaction.registry import MODELS
from mmengine.config import Config

from helpers.minimal_parts import METHODS
from mmssl_video.apis import build_encoder
from mmssl_video.checkpoints import (
    CheckpointError,
    config_from_checkpoint,
    load_checkpoint_file,
    load_full,
)
from mmssl_video.models.recognizers.self_supervised import upgrade_model_config


def older(name, concepts=None, **settings):
    model = {**copy.deepcopy(METHODS[name]), **settings}
    for key in ('target',):
        model.pop(key, None)
    if concepts is not None:
        model['concepts'] = {**model['concepts'], **concepts}
    return model


#: The model as older versions saved it, and what the losses of today are.
OLDER = {
    'dpc': (
        older(
            'DensePredictiveCoding',
            loss=dict(type='DenseInfoNCELoss', temperature=0.5, normalize=True, gather=True),
        ),
        dict(prediction=dict(weight=1.0, temperature=0.5, normalize=True, gather=True)),
    ),
    'fgkvmem as released': (
        older(
            'BYOL',
            loss_scale=2.0,
            view_reduction='mean',
            concepts=dict(
                recon_weight=[0.5, 0.1],
                align_weight=0.2,
                online_temperature=0.07,
                target_temperature=0.1,
                recon_loss='cosine',
                recon_average='elements',
                centring='add',
                centre_update='forward',
                cosine_codes=True,
            ),
        ),
        dict(
            prediction=dict(weight=2.0),
            reconstruction=dict(
                weight=1.0, shares=(0.5, 0.1), distance='cosine', average='elements'
            ),
            alignment=dict(
                weight=0.2, online_temperature=0.07, target_temperature=0.1, centring='add'
            ),
        ),
    ),
    'fgkvmem with little said': (
        older('BYOL', concepts=dict(recon_weight=0.1)),
        dict(
            prediction=dict(weight=1.0),
            reconstruction=dict(weight=0.1, shares=(1.0, 1.0), distance='l2', average='batch'),
            alignment=dict(weight=0.01, online_temperature=0.05, target_temperature=0.05),
        ),
    ),
    'byol': (
        {**older('BYOL'), 'concepts': None, 'loss_scale': 2.0},
        dict(prediction=dict(weight=2.0)),
    ),
    'sstl': (
        older(
            'SSTL',
            clip_weight=0.5,
            video_weight=0.3,
            rate_weight=0.2,
            temperature=0.2,
            num_negatives=64,
            gather=False,
            group_size=2,
        ),
        dict(
            clip=dict(weight=0.5, temperature=0.2, num_negatives=64, gather=False, group_size=2),
            video=dict(weight=0.3),
            rate=dict(weight=0.2),
        ),
    ),
    'sstl without rate': (
        older('SSTL', rate_weight=0),
        dict(clip=dict(weight=1.0, temperature=0.1, num_negatives=2048, gather=True), video=dict()),
    ),
}


@pytest.mark.parametrize('case', OLDER)
def test_an_older_checkpoint_loads_with_all_keys(case, tmp_path):
    config, losses = OLDER[case]
    torch.manual_seed(1)
    trained = MODELS.build(upgrade_model_config(config)).eval()
    path = tmp_path / 'epoch_1.pth'
    text = Config(dict(model=config, default_scope='mmaction')).dump()
    torch.save(dict(state_dict=trained.state_dict(), meta=dict(cfg=text)), path)

    contents = load_checkpoint_file(path)
    model = MODELS.build(config_from_checkpoint(contents).model).eval()
    load_full(model, contents)
    assert set(model.losses) == set(losses)
    for slot, settings in losses.items():
        for name, value in settings.items():
            assert getattr(model.losses[slot], name) == value, (slot, name)
    assert all(torch.equal(v, trained.state_dict()[k]) for k, v in model.state_dict().items())
    if 'view_reduction' in config:
        assert model.view_reduction == config['view_reduction']
    if case == 'fgkvmem as released':
        assert model.concepts.centre_update == 'forward' and model.concepts.cosine_codes
    encoder = build_encoder(path, device='cpu')
    assert torch.equal(encoder.model.backbone.conv1.weight, trained.backbone.conv1.weight)


@pytest.mark.parametrize('case', OLDER)
def test_translating_twice_changes_nothing_and_leaves_the_given_alone(case):
    config = copy.deepcopy(OLDER[case][0])
    once = upgrade_model_config(config)
    assert config == OLDER[case][0]
    assert upgrade_model_config(once) == once


def test_other_models_stay_as_they_are():
    config = dict(type='ClipClassifier', loss=3, clip_weight=1)
    assert upgrade_model_config(config) == config


def test_settings_of_no_known_kind_are_refused(tmp_path):
    config = dict(METHODS['DensePredictiveCoding'], loss='much')
    contents = dict(meta=dict(cfg=Config(dict(model=config)).dump()))
    with pytest.raises(CheckpointError, match='settings of no known kind'):
        config_from_checkpoint(contents, 'x.pth')
