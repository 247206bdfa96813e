"""Pipelines of named steps."""

import pytest
from mmengine.config import Config, ConfigDict

from helpers.configs import flat_steps
from mmssl_video.datasets.pipelines import (
    build_steps,
    dataset_of,
    located_steps,
    pipeline_of,
    steps_of,
    training_pipeline,
    with_meta_keys,
)


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


def test_steps_are_located_by_the_keys_that_lead_to_them():
    named = dict(
        a=dict(type='A'),
        gone=None,
        views=dict(type='PerClip', transforms=[dict(type='B'), dict(type='C')]),
        perhaps=dict(type='RandomApply', transforms=dict(type='D')),
        chain=dict(type='PerClip', transforms=dict(e=dict(type='E'))),
    )
    places = {place: step['type'] for place, step in located_steps(named)}
    assert places == {
        'a': 'A',
        'views': 'PerClip',
        'views.transforms.0': 'B',
        'views.transforms.1': 'C',
        'perhaps': 'RandomApply',
        'perhaps.transforms': 'D',
        'chain': 'PerClip',
        'chain.transforms.e': 'E',
    }
    for place, step in located_steps(named):
        cfg = Config(dict(pipeline=named))
        cfg.merge_from_dict({f'pipeline.{place}.type': 'Changed'})
        changed = [each['type'] for _, each in located_steps(cfg.pipeline)]
        assert changed.count('Changed') == 1 and step['type'] != 'Changed'


def test_pipelines_are_found_in_loaders_and_configs():
    dataset = dict(type='VideoListDataset', pipeline=dict(a=dict(type='A'), b=None))
    loader = dict(dataset=dict(type='RepeatDataset', dataset=dataset))
    assert dataset_of(loader) is dataset and dataset_of(None) == {}
    assert pipeline_of(loader) == [dict(type='A')] and pipeline_of(None) == []
    assert training_pipeline(dict(train_dataloader=loader)) == [dict(type='A')]
    assert training_pipeline(dict(train_pipeline=[dict(type='B')])) == [dict(type='B')]
    assert training_pipeline(Config()) == []


@pytest.mark.parametrize('named', [False, True])
def test_samples_hand_on_more_keys(named):
    steps = dict(decode=dict(type='DecodeFrames'), pack=dict(type='PackActionInputs'), no=None)
    pipeline = steps if named else list(steps.values())[:2]
    more = with_meta_keys(pipeline, ('label', 'name'))
    assert steps_of(more)[-1]['meta_keys'] == ('img_shape', 'label', 'name')
    assert steps_of(with_meta_keys(more, ('name', 'fps')))[-1]['meta_keys'] == (
        *('img_shape', 'label', 'name', 'fps'),
    )
    assert 'meta_keys' not in steps['pack'] and type(more) is type(pipeline)
    with pytest.raises(ValueError, match='does not end in PackActionInputs'):
        with_meta_keys(steps_of(pipeline)[:1], ('name',))
