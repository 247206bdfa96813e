"""Flow configs are their RGB twins, but for what flow needs."""

import pytest
import torch
from mmaction.registry import MODELS

from helpers.configs import load, read
from mmssl_video.datasets import flow_format
from mmssl_video.datasets.pipelines import pipeline_of

TWINS = dict(
    memdpc_flow_ucf101='memdpc_ucf101',
    memdpc_uni_flow_ucf101='memdpc_uni_ucf101',
    memdpc_flow_k400='memdpc_k400',
    memdpc_flow_demo='memdpc_demo',
    dpc_flow_demo='dpc_demo',
    memdpc_flow_ut_interaction='memdpc_ut_interaction',
)


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
            for step in pipeline_of(theirs)
            if step['type'] not in ('VideoColorJitter', 'VideoRandomGray')
        ]
        assert pipeline_of(ours) == left
        del ours['dataset']['pipeline'], theirs['dataset']['pipeline']
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


@pytest.mark.parametrize('flow, rgb', TWINS.items(), ids=list(TWINS))
def test_the_option_makes_the_same_of_the_rgb_config(flow, rgb):
    """``memdpc_ucf101 --data ucf101 --flow`` is ``memdpc_flow_ucf101``."""
    ours, theirs = load(flow), load(rgb, read(rgb).data.key, flow=True)
    assert tuple(ours.model.data_preprocessor.mean) == flow_format.MEAN
    assert tuple(ours.model.data_preprocessor.std) == flow_format.STD
    for cfg in (ours, theirs):
        for key in ('data', 'flow', 'work_dir'):
            cfg.pop(key, None)
        for loader in (cfg.train_dataloader, cfg.val_dataloader):
            loader.dataset.pipeline = pipeline_of(loader)
    assert ours._cfg_dict == theirs._cfg_dict
