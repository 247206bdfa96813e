"""A config out of a checkpoint never makes Python import a module, whatever part names it.

Every ``type`` of every shipped config is replaced in turn by the name of a module that leaves a
mark when it is imported; then all that tools build from such a config is built.
"""

import contextlib
import copy
import re
import sys
from pathlib import Path

import pytest
import torch
from mmaction.registry import DATASETS
from mmengine.config import Config, ConfigDict

from mmssl_video.apis import build_encoder
from mmssl_video.checkpoints import CheckpointError, config_from_checkpoint
from mmssl_video.datasets.pipelines import build_steps, dataset_of
from mmssl_video.datasets.view_pipelines import augmented_pipeline, surprise_pipeline
from mmssl_video.datasets.views import test_pipeline as pipeline_for
from mmssl_video.datasets.views import view_of

CONFIGS = sorted((Path(__file__).parents[2] / 'configs').rglob('*.py'))
NAMES = ('marked.Thing', 'marked', 'marked.SplitBlocks', 'mmaction.marked.Thing', 'MarkedSGD')


def places(node, keys=()):
    """Keys that lead to every dict with a ``type``."""
    if isinstance(node, dict):
        if 'type' in node:
            yield keys
        for key, value in node.items():
            yield from places(value, (*keys, key))
    elif isinstance(node, (list, tuple)):
        for number, value in enumerate(node):
            yield from places(value, (*keys, number))


def at(node, keys):
    for key in keys:
        node = node[key]
    return node


def every_kind_of_place():
    """One config for each place that differs in more than a list's index: (config, keys)."""
    chosen = {}
    for path in CONFIGS:  # a few configs hold every part there is
        config = Config.fromfile(path).to_dict()
        for keys in places(config):
            kind = '.'.join('*' if isinstance(key, int) else str(key) for key in keys)
            if at(config, keys)['type'] is not None:
                chosen.setdefault(kind, (path, keys))
    return chosen


PLACES = every_kind_of_place()


@pytest.fixture
def mark(tmp_path, monkeypatch):
    """The mark of modules ``marked`` (a package with a registry) and ``MarkedSGD``."""
    mark = tmp_path / 'mark'
    text = (
        f'open({str(mark)!r}, "w").close()\n'
        'class Thing:\n    def __init__(self, *args, **kwargs): pass\nSplitBlocks = Thing\n'
    )
    (tmp_path / 'marked').mkdir()
    for name in ('__init__', 'registry', 'utils'):
        (tmp_path / 'marked' / f'{name}.py').write_text(text)
    for name in ('MarkedSGD', 'SGD', 'MethodHook'):
        (tmp_path / f'{name}.py').write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield mark
    for name in [name for name in sys.modules if name.split('.')[0] in ('marked', 'MarkedSGD')]:
        del sys.modules[name]


def checkpoint(config):
    config = config if isinstance(config, dict) else config.to_dict()
    return dict(meta=dict(cfg=Config(config, format_python_code=False).pretty_text), state_dict={})


def build_all(config):
    """What the tools build from a checkpoint's config; a refusal in one sentence is an answer."""
    contents = checkpoint(config)
    try:
        read = config_from_checkpoint(contents, 'a.pth')
    except CheckpointError as error:
        assert '\n' not in str(error)
        return 'refused'
    with contextlib.suppress(ValueError):  # without a training pipeline, or of one block
        view = view_of(read)
        for make in (
            pipeline_for,
            surprise_pipeline,
            lambda view: augmented_pipeline(view, strength=6),
        ):
            build_steps(make(view))
    for name, part in read.items():
        if name.endswith('_dataloader') and isinstance(part, dict):
            view_of(part)
            build_steps(dataset_of(part).get('pipeline'))
            with contextlib.suppress(FileNotFoundError, TypeError):  # its list is not there
                DATASETS.build(part['dataset'])
    return 'read'


@pytest.mark.parametrize('kind', sorted(PLACES))
def test_no_type_of_a_config_is_imported(kind, mark):
    path, keys = PLACES[kind]
    original = Config.fromfile(path).to_dict()
    assert build_all(original) == 'read'
    for name in NAMES:
        config = copy.deepcopy(original)
        at(config, keys)['type'] = name
        build_all(config)
        assert not mark.exists(), f'{name} at {kind} was imported'
    if 'protocol' not in kind:
        config = copy.deepcopy(original)
        at(config, keys)['_scope_'] = 'marked'
        build_all(config)
        assert not mark.exists(), f'_scope_ at {kind} was imported'


@pytest.mark.parametrize(
    'kind',
    [kind for kind in sorted(PLACES) if re.match(r'model|(train|val|test)_dataloader', kind)],
)
def test_parts_that_are_built_are_refused_by_name(kind):
    path, keys = PLACES[kind]
    config = Config.fromfile(path).to_dict()
    at(config, keys)['type'] = 'marked.Thing'
    with pytest.raises(CheckpointError, match=r"a\.pth is refused: [\w.\[\]]+\.type = 'marked"):
        config_from_checkpoint(checkpoint(config), 'a.pth')


@pytest.mark.parametrize('kind', [kind for kind in sorted(PLACES) if kind.startswith('model')])
def test_a_model_is_of_models_only(kind, mark):
    """A name of another registry would be looked up as a module among the models."""
    path, keys = PLACES[kind]
    config = Config.fromfile(path).to_dict()
    for name in ('SGD', 'MethodHook'):
        at(config, keys)['type'] = name
        assert build_all(config) == 'refused'
    assert not mark.exists()


@pytest.mark.parametrize(
    'where',
    ['model.init_cfg', 'model.backbone.init_cfg', 'model.neck.init_cfg', 'model.backbone.conv_cfg']
    + [f'train_dataloader.{key}' for key in ('batch_sampler', 'collate_fn', 'worker_init_fn')],
)
def test_no_part_that_our_configs_leave_out_is_imported(where, mark):
    config = Config.fromfile(next(path for path in CONFIGS if path.stem == 'memdpc_demo'))
    for value in (dict(type='marked.Thing'), [dict(type='marked')], dict(type='Normal', a=[])):
        changed = copy.deepcopy(config)
        changed.merge_from_dict({where: value})
        build_all(changed)
        assert not mark.exists()


@pytest.mark.parametrize(
    'extra',
    [
        dict(custom_imports=dict(imports=['marked'], allow_failed_imports=False)),
        dict(default_scope='marked'),
        dict(custom_hooks=[dict(type='marked.Thing')]),
        dict(runner_type='marked.Thing'),
        dict(anything=dict(type='marked.Thing')),
    ],
    ids=lambda extra: next(iter(extra)),
)
def test_an_encoder_is_built_without_an_import(extra, mark, tmp_path):
    config = Config.fromfile(next(path for path in CONFIGS if path.stem == 'memdpc_demo'))
    good = build_encoder('random', encoder_config=config)
    for key, value in extra.items():
        config[key] = ConfigDict(value) if isinstance(value, dict) else value
    file = tmp_path / 'a.pth'
    torch.save(dict(state_dict=good.model.state_dict(), meta=dict(cfg=config.pretty_text)), file)
    if 'default_scope' in extra:
        with pytest.raises(CheckpointError, match="refused: default_scope = 'marked' would import"):
            build_encoder(file)
    else:
        encoder = build_encoder(file)
        assert 'marked.Thing' in extra.values() or not set(extra) & set(encoder.config)
        assert encoder.view.num_frames
    assert not mark.exists()
