"""How configs are named: by path, by name in any folder, and in the _base_ of a user's config."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest
from mmengine.config import Config

from helpers.tiny_run import REPO, environment
from mmssl_video.settings import names
from mmssl_video.settings.names import find_config, read_config


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A folder of shipped configs in place of ours."""
    for name in (
        'first.py',
        'demo/second.py',
        'demo/twice.py',
        'evaluation/twice.py',
        '_base_/part.py',
    ):
        path = tmp_path / 'shipped' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'name = {name!r}\n')
    monkeypatch.setattr(names, 'config_dir', lambda: tmp_path / 'shipped')
    (tmp_path / 'here').mkdir()
    monkeypatch.chdir(tmp_path / 'here')
    return tmp_path / 'shipped'


@pytest.mark.parametrize(
    'name, found',
    [
        ('first', 'first.py'),
        ('configs/first.py', 'first.py'),
        ('mmssl_video::first', 'first.py'),
        ('second', 'demo/second.py'),
        ('second.py', 'demo/second.py'),
        ('demo/second', 'demo/second.py'),
        ('configs/demo/second.py', 'demo/second.py'),
        ('configs/second.py', 'demo/second.py'),
        ('mmssl_video::demo/second', 'demo/second.py'),
        ('evaluation/twice', 'evaluation/twice.py'),
        ('_base_/part.py', '_base_/part.py'),
    ],
)
def test_shipped_config_is_found_with_or_without_its_folder(shipped, name, found):
    assert find_config(name) == shipped / found


def test_file_of_the_user_comes_first_unless_the_shipped_one_is_asked_for(shipped, tmp_path):
    (tmp_path / 'here' / 'second.py').write_text('mine = True\n')
    assert str(find_config('second.py')) == 'second.py'
    assert find_config('mmssl_video::second.py') == shipped / 'demo/second.py'


@pytest.mark.parametrize(
    'name, error, words',
    [
        ('twice', ValueError, "called 'twice': name the folder of demo/twice.py, evaluation/twice"),
        ('secnd', FileNotFoundError, 'did you mean second'),
        ('mmssl_video::secnd', FileNotFoundError, 'exist: looked for it in .* did you mean second'),
        ('part', FileNotFoundError, "config 'part' does not exist"),
        ('/no/such.py', FileNotFoundError, "config '/no/such.py' does not exist: looked for it"),
        ('zzz', FileNotFoundError, r'shipped$'),
    ],
)
def test_no_config_or_several_is_one_sentence(shipped, name, error, words):
    with pytest.raises(error, match=words) as info:
        find_config(name)
    assert '\n' not in str(info.value)


def test_base_of_a_users_config_may_be_a_shipped_one(tmp_path):
    (tmp_path / 'mine.py').write_text(
        "_base_ = ['mmssl_video::memdpc_k400']\nmodel = dict(pred_steps=2)\n"
        'depth = {{_base_.model.backbone.depth}}\n'
    )
    cfg = Config.fromfile(str(tmp_path / 'mine.py'))
    shipped = Config.fromfile(str(find_config('memdpc_k400')))
    assert cfg.model.pop('pred_steps') == 2 != shipped.model.pop('pred_steps')
    assert cfg.model == shipped.model and '_scope_' not in cfg
    assert cfg.depth == shipped.model.backbone.depth
    with pytest.raises(ValueError, match='like `mmdet::faster_rcnn'):  # others as before
        (tmp_path / 'other.py').write_text("_base_ = 'mmdet::memdpc_k400'\n")
        Config.fromfile(str(tmp_path / 'other.py'))


def test_installed_package_in_an_empty_folder(tmp_path):
    """As pip lays it: configs inside the package, no checkout beside it."""
    site = tmp_path / 'site' / 'mmssl_video'
    ignore = shutil.ignore_patterns('__pycache__')
    shutil.copytree(REPO / 'mmssl_video', site, ignore=ignore)
    shutil.copytree(REPO / 'configs', site / 'configs', ignore=ignore)
    folder = tmp_path / 'empty'
    folder.mkdir()
    (folder / 'mine.py').write_text("_base_ = 'mmssl_video::memdpc_k400'\n")
    code = (
        'from mmssl_video.apis import load_config\n'
        'for name in ("mine.py", "mmssl_video::memdpc_k400", "memdpc_k400"):\n'
        '    print(load_config(name).model.type)\n'
        'from mmssl_video import config_dir; print(config_dir())'
    )
    env = dict(environment(), PYTHONPATH=str(tmp_path / 'site'))
    done = subprocess.run(
        [sys.executable, '-c', code], cwd=folder, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ['DensePredictiveCoding'] * 3 + [str(site / 'configs')]


def test_a_module_beside_the_config_is_imported(tmp_path, monkeypatch):
    """From any folder, and by the command ``mmssl``, which does not look into the current one."""
    monkeypatch.setattr('sys.path', [*sys.path])
    (tmp_path / 'part_beside_it.py').write_text('')
    (tmp_path / 'mine.py').write_text(
        "_base_ = 'mmssl_video::dpc_demo'\ncustom_imports = dict(imports=['part_beside_it'])\n"
    )
    read_config(tmp_path / 'mine.py')
    assert sys.modules.pop('part_beside_it').__file__ == str(tmp_path / 'part_beside_it.py')
