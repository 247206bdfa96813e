"""Flow configs are their RGB twins, but for what flow needs."""

import pytest
import torch
from mmaction.registry import MODELS
from mmengine.config import Config

from mmssl_video.settings.names import config_dir

TWINS = dict(
    memdpc_flow_ucf101='memdpc_ucf101',
    memdpc_uni_flow_ucf101='memdpc_uni_ucf101',
    memdpc_flow_k400='memdpc_k400',
    memdpc_flow_demo='memdpc_demo',
    dpc_flow_demo='dpc_demo',
    memdpc_flow_ut_interaction='memdpc_ut_interaction',
)


def load(name):
    return Config.fromfile(config_dir() / f'{name}.py')


@pytest.mark.parametrize('flow, rgb', TWINS.items(), ids=list(TWINS))
def test_a_flow_config_is_its_rgb_twin_but_for_the_input(flow, rgb):
    flow, rgb = load(flow), load(rgb)
    for config in (flow, rgb):
        config.model.pop('data_preprocessor')
    assert flow.model == rgb.model
    for key in ('train_cfg', 'optim_wrapper', 'param_scheduler', 'custom_hooks', 'auto_scale_lr'):
        assert flow.get(key) == rgb.get(key)
    for name in ('train_dataloader', 'val_dataloader'):
        ours, theirs = flow[name], rgb[name]
        ours, theirs = (
            dict(ours, dataset=dict(ours.dataset)),
            dict(theirs, dataset=dict(theirs.dataset)),
        )
        assert ours['dataset'].pop('modality') == 'Flow'
        assert ours['dataset'].pop('suffix') == '.flow.mp4'
        assert 'flow' in ours['dataset'].pop('data_prefix')['video']
        theirs['dataset'].pop('data_prefix')
        left = [
            dict(step, type='VideoFlip') if step['type'] == 'Flip' else step
            for step in theirs['dataset'].pop('pipeline')
            if step['type'] not in ('VideoColorJitter', 'VideoRandomGray')
        ]
        assert ours['dataset'].pop('pipeline') == left
        assert ours == theirs


@pytest.mark.parametrize('name', list(TWINS))
def test_no_motion_is_zero_and_a_mirrored_u_is_its_negative(name):
    normalise = MODELS.build(load(name).model.data_preprocessor)
    frames = torch.tensor([0, 127, 128, 255], dtype=torch.uint8).repeat(1, 3, 1, 4, 1)
    plain, mirrored = (
        normalise(dict(inputs=[x], data_samples=None))['inputs'] for x in (frames, 255 - frames)
    )
    assert torch.allclose(plain[:, :, :2], -mirrored[:, :, :2])
    assert plain[:, :, :2].abs().max() == 10  # 20 pixels, in units of 2
    assert (plain[:, :, 2, ..., 2] == 0).all()  # the third channel is always 128
