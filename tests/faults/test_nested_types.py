"""Every registered type in a malicious config: what a file's config names is never imported.

mmengine's registries import a ``type`` that they do not know and call it. The config inside a
checkpoint comes from anywhere, so for every part of ours and every argument that it takes a module
is named that would leave a mark. ``pytest -m ''
tests/faults/test_nested_types.py -k BYOL-backbone`` replays one.
"""

from __future__ import annotations

import inspect
import sys

import pytest
import torch
from mmaction import registry
from mmengine.registry import Registry

from mmssl_video.apis import build_encoder
from mmssl_video.checkpoints import CheckpointError, config_from_checkpoint
from mmssl_video.datasets.views import test_pipeline as view_pipeline
from mmssl_video.datasets.views import view_of

pytestmark = pytest.mark.slow
EVIL = 'evil_module_of_a_config'


@pytest.fixture
def mark(tmp_path, monkeypatch):
    """A module on the path that leaves a file when it is imported."""
    target = tmp_path / 'mark'
    (tmp_path / f'{EVIL}.py').write_text(
        f'open({str(target)!r}, "w").close()\n'
        'class Part:\n    def __init__(self, *args, **kwargs):\n        pass\n'
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, EVIL, raising=False)
    yield target
    sys.modules.pop(EVIL, None)


def arguments_of(kind) -> list[str]:
    """Names that its constructor and those of its parents take."""
    names = set()
    for each in inspect.getmro(kind) if isinstance(kind, type) else (kind,):
        given = inspect.signature(each.__init__ if isinstance(each, type) else each).parameters
        names |= {
            name
            for name, parameter in given.items()
            if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        }
    return sorted(names - {'self'})


def ours(parts: Registry):
    """(name, argument) of what this package registers."""
    return [
        pytest.param(name, argument, id=f'{name}-{argument}')
        for name, kind in sorted(parts.module_dict.items())
        if kind.__module__.startswith('mmssl_video')
        for argument in arguments_of(kind)
    ]


def evil(wrapping: str):
    """A config of the evil part, as a setting, in a list or as a named part."""
    part = dict(type=f'{EVIL}.Part')
    return dict(plain=part, list=[part], named=dict(first=part))[wrapping]


def checkpoint_of(cfg: dict) -> dict:
    text = ''.join(f'{key} = {value!r}\n' for key, value in cfg.items())
    return dict(meta=dict(cfg=text), state_dict={})


@pytest.mark.parametrize('name, argument', ours(registry.MODELS))
def test_parts_of_a_model(name, argument, mark, tmp_path):
    path = tmp_path / 'a.pth'
    for wrapping in ('plain', 'list', 'named'):
        part = {'type': name, argument: evil(wrapping)}
        for model in (
            part,
            dict(type='BYOL', backbone=part),
            dict(type='BYOL', losses=dict(a=part)),
        ):
            checkpoint = checkpoint_of(dict(model=model))
            with pytest.raises(CheckpointError, match=EVIL):
                config_from_checkpoint(checkpoint, 'a.pth')
            torch.save(checkpoint, path)
            with pytest.raises(CheckpointError, match=EVIL):
                build_encoder(path)
            assert not mark.exists()


@pytest.mark.parametrize('name, argument', ours(registry.TRANSFORMS))
def test_steps_of_a_pipeline(name, argument, mark):
    """What the views are read from; refusing, or passing over what nobody knows, is both well."""
    for wrapping in ('plain', 'list', 'named'):
        step = {'type': name, argument: evil(wrapping)}
        for pipeline in ([step], dict(sample=step), [dict(type='PerClip', transforms=[step])]):
            loader = dict(dataset=dict(type='VideoListDataset', pipeline=pipeline))
            checkpoint = checkpoint_of(dict(train_dataloader=loader))
            try:
                view_pipeline(view_of(config_from_checkpoint(checkpoint)))
            except ValueError as error:
                assert '\n' not in str(error)
            assert not mark.exists()


@pytest.mark.parametrize('wrapping', ['plain', 'list', 'named'])
def test_the_mark_is_left_where_mmengine_builds(wrapping, mark):
    """What the tests above rely on: the same part, built without looking, is imported."""
    part = evil(wrapping)
    while not (isinstance(part, dict) and 'type' in part):
        part = part[0] if isinstance(part, list) else part['first']
    registry.MODELS.build(part)
    assert mark.exists()
