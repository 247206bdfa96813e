"""The config in a checkpoint: all that mmengine writes is read back, nothing is run."""

import math
from pathlib import Path

import pytest
from mmengine.config import Config

from mmssl_video.checkpoints import CheckpointError, config_from_checkpoint, config_from_text
from mmssl_video.compat import steps_as_lists

VALUES = dict(
    single="it's",
    quotes='say "hi"',
    both='a\'b"c',
    backslash='a\\nb',
    newline='two\nlines',
    empty='',
    unicode='größe 動画',
    long='word ' * 60,
    none=None,
    yes=True,
    no=False,
    small=1e-05,
    large=1e30,
    minus=-3,
    minus_float=-0.5,
    zero=0,
    infinite=float('inf'),
    minus_infinite=-float('inf'),
    empty_list=[],
    empty_tuple=(),
    empty_dict={},
    one=(1,),
    pair=(3 / 4, 4 / 3),
    nested=[[1, [2, (3, 'x')]], (), [dict(a=[dict(b=(1, None))])]],
    numbers={0: 3, 5: 4},
    keys={'a b': 1, 'c.d': dict(e=2), '1x': [dict(f='g')]},
    inside=dict(curriculum={0: 3, 10: 4}, plain=dict(x=dict(y=dict(z=1)))),
    pipeline=[dict(type='A', scale=(224, 224)), dict(type='B', p=0.5, mode=None)],
    numbers_list=[0.1, -1, True, None, 'a'],
    names={'x', 'y'},
)


@pytest.mark.parametrize('is_formatted', [True, False])
def test_reads_back_all_that_mmengine_writes(is_formatted):
    config = Config(dict(VALUES), format_python_code=is_formatted)
    read = config_from_text(config.pretty_text)
    assert read.to_dict() == Config(dict(VALUES)).to_dict()
    assert type(read.one) is tuple and type(read.nested) is list
    assert config_from_text(read.pretty_text).to_dict() == read.to_dict()
    assert math.isnan(config_from_text(Config(dict(a=float('nan'))).pretty_text).a)


def test_reads_a_real_config(tmp_path):
    """What a config file becomes in a checkpoint: inheritance resolved, still only data."""
    (tmp_path / 'base.py').write_text(
        "default_scope = 'mmaction'\nmodel = dict(type='X', neck=dict(layers=[1, 2], p=.5))\n"
        "custom_imports = dict(imports=['math'], allow_failed_imports=False)\n"
    )
    (tmp_path / 'run.py').write_text(
        "_base_ = ['base.py']\nmodel = dict(neck=dict(p=1e-3))\nsizes = tuple(range(3))\n"
        'train = dict(hooks=[model], keys={k: dict() for k in sizes})\n'
    )
    config = Config.fromfile(tmp_path / 'run.py')
    assert config_from_text(config.pretty_text).to_dict() == config.to_dict()


@pytest.mark.parametrize(
    'text, line',
    [
        ('a = 1\nimport os\n', 2),
        ('a = __import__("os").system("touch marker")\n', 1),
        ('a = 1\n\nb = dict(c=[open("marker", "w")])\n', 3),
        ('model = dict(\n    type="A",\n    depth=1 + 1)\n', 3),
        ('a = [x for x in (1, 2)]\n', 1),
        ('a = f"{1}"\n', 1),
        ('a = lambda: 1\n', 1),
        ('a = dict(**{"b": 1})\n', 1),
        ('a = {**{"b": 1}}\n', 1),
        ('a = dict([("b", 1)])\n', 1),
        ('a = b"bytes"\n', 1),
        ('a = 1j\n', 1),
        ('a = ...\n', 1),
        ('a = -"x"\n', 1),
        ('a = -True\n', 1),
        ('a = {[1]: 2}\n', 1),
        ('a = dict\n', 1),
        ('a.b = 1\n', 1),
        ('a = b = 1\n', 1),
        ('a: int = 1\n', 1),
        ('a += 1\n', 1),
        ('for a in (1, ):\n    b = a\n', 1),
        ('"docstring"\n', 1),
        ('a = eval("1")\n', 1),
    ],
)
def test_refuses_what_is_not_data(text, line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError) as caught:
        config_from_text(text, 'x.pth')
    message = str(caught.value)
    assert message.startswith(f'x.pth is not plain data and was not run: line {line} ')
    assert '\n' not in message
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    'text, sentence',
    [
        ('a = (\n', 'line 1'),
        ('a = 1\nb = <class "x">\n', 'line 2'),
        ('a = ' + '[' * 100_000, 'not a config|nested too deeply'),
        ('a = ' + '-' * 50_000 + '1', 'not a config|nested too deeply'),
        ('a = 1\0', 'null'),
        ('a = "' + 'x' * 2_000_000 + '"', 'more than any config'),
        ('filename = 1\n', 'reserved'),
    ],
)
def test_refuses_broken_text(text, sentence):
    with pytest.raises(CheckpointError, match=sentence):
        config_from_text(text)


def checkpoint(**model):
    return dict(meta=dict(cfg=Config(dict(model=model)).pretty_text), state_dict={})


def test_config_from_checkpoint():
    model = dict(type='DensePredictiveCoding', backbone=dict(type='mmaction.ResNet2d3d', depth=18))
    assert config_from_checkpoint(checkpoint(**model)).model.to_dict() == model
    for empty in ({}, dict(meta=None), dict(meta={}), dict(meta=dict(cfg=''))):
        with pytest.raises(CheckpointError, match='a.pth holds no config'):
            config_from_checkpoint(empty, 'a.pth')


@pytest.mark.parametrize(
    'model, where',
    [
        (dict(type='subprocess.Popen', args=['touch', 'marker']), r'model\.type'),
        (dict(type='antigravity'), r'model\.type'),
        (dict(type=['DensePredictiveCoding']), r'model\.type'),
        (dict(type='mmengine.load', file='a.pkl'), r'model\.type'),
        (
            dict(type='DensePredictiveCoding', neck=[dict(layer=dict(type='os.system'))]),
            r'model\.neck\[0\]\.layer\.type',
        ),
        (dict(type='DensePredictiveCoding', _scope_='antigravity'), r'model\._scope_'),
    ],
)
def test_model_names_registered_components_only(model, where):
    """mmengine's registries import any dotted name and call it: a config could run programs."""
    with pytest.raises(CheckpointError, match=f'a.pth is refused: {where}'):
        config_from_checkpoint(checkpoint(**model), 'a.pth')


@pytest.mark.parametrize(
    'path',
    sorted((Path(__file__).parents[2] / 'configs').rglob('*.py')),
    ids=lambda path: path.stem,
)
def test_our_configs_survive_a_checkpoint(path):
    """Every config that ships comes back from a checkpoint whole, its model safe to build."""
    config = Config.fromfile(path)
    read = config_from_checkpoint(dict(meta=dict(cfg=config.pretty_text)), path.name)
    config.pop('custom_imports', None)  # is never followed
    assert read.to_dict() == steps_as_lists(config.to_dict())
