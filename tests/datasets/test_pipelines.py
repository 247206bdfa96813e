"""Pipelines of named steps."""

import pytest
from mmengine.config import Config, ConfigDict

from mmssl_video.datasets.pipelines import build_steps, flat_steps, steps_of


def test_named_steps_keep_their_order_and_leave_out_what_is_none():
    named = dict(b=dict(type='B'), a=dict(type='A'), c=None)
    assert steps_of(named) == steps_of([dict(type='B'), dict(type='A')])
    assert steps_of(None) == []


@pytest.mark.parametrize('wrong', [dict(type='VideoInit'), 'VideoInit', 3])
def test_what_is_no_pipeline_is_refused(wrong):
    with pytest.raises(TypeError, match='a list of steps or a dict of named steps'):
        steps_of(wrong)


def test_a_config_that_inherits_changes_one_step_wherever_it_stands(tmp_path):
    (tmp_path / 'base.py').write_text(
        "pipeline = dict(sample=dict(type='SampleWindow', num_frames=4, stride=2),\n"
        "                views=dict(type='PerClip', transforms=dict(\n"
        "                    flip=dict(type='VideoFlip'),\n"
        "                    grey=dict(type='VideoRandomGray', p=0.2))))\n"
    )
    (tmp_path / 'child.py').write_text(
        "_base_ = 'base.py'\n"
        'pipeline = dict(sample=dict(stride=3),\n'
        '                views=dict(transforms=dict(flip=None, grey=dict(p=0.5))))\n'
    )
    cfg = Config.fromfile(tmp_path / 'child.py')
    assert [dict(step, transforms=None) for step in flat_steps(cfg.pipeline)] == [
        dict(type='SampleWindow', num_frames=4, stride=3, transforms=None),
        dict(type='PerClip', transforms=None),
        dict(type='VideoRandomGray', p=0.5, transforms=None),
    ]
    cfg.pipeline.views.transforms.grey.type = 'VideoFlip'
    del cfg.pipeline.views.transforms.grey['p']
    sample, views = build_steps(cfg.pipeline)
    assert sample.stride == 3 and len(views.transforms.transforms) == 1


def test_wrappers_of_one_step_are_looked_into():
    wrapped = [dict(type='RandomApply', transforms=ConfigDict(type='Flip'))]
    assert [step['type'] for step in flat_steps(wrapped)] == ['RandomApply', 'Flip']
