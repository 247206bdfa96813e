"""What is built from the sources, and the set-up scripts, without the network."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import mmssl_video
from helpers.tiny_run import REPO, environment, last_line, run

PARTS = (
    'mmssl_video',
    'configs',
    'requirements',
    'setup.py',
    'pyproject.toml',
    'MANIFEST.in',
    'LICENSE',
    'README.md',
    'CHANGELOG.md',
    'CITATION.cff',
)


@pytest.fixture(scope='module')
def sources(tmp_path_factory):
    """A copy of what the package is built from, so that the checkout stays clean."""
    folder = tmp_path_factory.mktemp('sources')
    for part in PARTS:
        if (REPO / part).is_dir():
            shutil.copytree(
                REPO / part,
                folder / part,
                ignore=shutil.ignore_patterns('__pycache__', '*.egg-info'),
            )
        else:
            shutil.copy(REPO / part, folder)
    return folder


def build(folder: Path, what: str = 'wheel') -> Path:
    """Build a ``wheel`` or an ``sdist`` of the sources in ``folder``, as pip does."""
    code = f'import setuptools.build_meta as b; b.build_{what}("dist")'
    done = run(sys.executable, '-c', code, cwd=folder, fresh=True)
    assert done.returncode == 0, done.stdout
    [path] = (folder / 'dist').glob({'wheel': '*.whl', 'sdist': '*.tar.gz'}[what])
    return path


@pytest.fixture(scope='module')
def wheel(sources):
    """The wheel that `pip install .` would install."""
    return build(sources)


def files_of(wheel: Path) -> set:
    return set(zipfile.ZipFile(wheel).namelist())


def test_wheel_is_complete(wheel):
    names = files_of(wheel)
    for folder, target in (('mmssl_video', 'mmssl_video'), ('configs', 'mmssl_video/configs')):
        expected = {
            f'{target}/{path.relative_to(REPO / folder).as_posix()}'
            for path in (REPO / folder).rglob('*')
            if path.suffix in ('.py', '.md') or path.name == 'py.typed'
            if '__pycache__' not in path.parts
        }
        assert expected and expected <= names, sorted(expected - names)
    assert 'mmssl_video/py.typed' in names
    assert not [name for name in names if name.startswith(('tests/', 'tools/', 'configs/'))]


def test_wheel_from_an_sdist_is_the_same(sources, wheel, tmp_path):
    """Configs in subfolders and their READMEs must be in both."""
    (sources / 'configs' / 'evaluation').mkdir(exist_ok=True)
    (sources / 'configs' / 'evaluation' / 'README.md').write_text('a table')
    with tarfile.open(build(sources, 'sdist')) as archive:
        archive.extractall(tmp_path)
    [unpacked] = tmp_path.iterdir()
    names = files_of(build(unpacked))
    assert files_of(wheel) - names == set()
    assert 'mmssl_video/configs/evaluation/README.md' in names


def test_wheel_holds_nothing_of_an_earlier_build(sources, tmp_path):
    """setuptools keeps build/ in a clone: a config or module moved since came along."""
    copy = tmp_path / 'clone'
    shutil.copytree(sources, copy, ignore=shutil.ignore_patterns('build', 'dist', '*.egg-info'))
    for stale in ('mmssl_video/moved_away.py', 'mmssl_video/configs/moved_away.py'):
        path = copy / 'build' / 'lib' / stale
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('')
    assert not [name for name in files_of(build(copy)) if 'moved_away' in name]


def test_metadata(wheel):
    archive = zipfile.ZipFile(wheel)
    [name] = [name for name in archive.namelist() if name.endswith('.dist-info/METADATA')]
    metadata = Parser().parsestr(archive.read(name).decode())
    assert metadata['Version'] == mmssl_video.__version__
    assert metadata['Author'] == 'mmssl_video contributors'
    assert 'Apache-2.0' in (metadata['License'], metadata['License-Expression'])
    assert set(metadata['Requires-Python'].split(',')) == {'>=3.9', '<3.14'}
    assert (REPO / 'README.md').read_text(encoding='utf-8').strip()[:60] in metadata.as_string()
    required = ' '.join(metadata.get_all('Requires-Dist'))
    for package in ('torch>=2.4', 'mmengine', 'mmaction2', 'decord', 'importlib_metadata'):
        assert package in required or package.replace('_', '-') in required
    for banned in ('openmim', 'torchvision'):
        assert banned not in required


def test_wheel_leaves_the_choice_of_mmcv_to_its_installation(wheel):
    """mmcv and mmcv-lite own the same files; a wheel may be built where the other one is."""
    archive = zipfile.ZipFile(wheel)
    [name] = [name for name in archive.namelist() if name.endswith('.dist-info/METADATA')]
    metadata = Parser().parsestr(archive.read(name).decode())
    about_mmcv = [line for line in metadata.get_all('Requires-Dist') if line.startswith('mmcv')]
    [line] = about_mmcv
    assert re.sub(r'\s', '', line).replace("'", '"') in (
        'mmcv-lite<2.2.0,>=2.1.0;extra=="lite"',
        'mmcv-lite>=2.1.0,<2.2.0;extra=="lite"',
    )


def test_command_of_the_wheel_exists(wheel):
    archive = zipfile.ZipFile(wheel)
    [name] = [name for name in archive.namelist() if name.endswith('entry_points.txt')]
    group, script = archive.read(name).decode().split('\n')[:2]
    assert group == '[console_scripts]'
    command, _, target = script.partition(' = ')
    assert command == 'mmssl'
    assert callable(importlib.metadata.EntryPoint(command, target, group[1:-1]).load())


def test_installed_package_finds_its_configs(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path / 'site')
    code = (
        'import mmssl_video\nfrom mmengine.config import Config\n'
        'path = mmssl_video.find_config("configs/memdpc_k400.py")\n'
        'print(path, Config.fromfile(str(path)).model.type)'
    )
    env = environment()
    env['PYTHONPATH'] = str(tmp_path / 'site')
    done = subprocess.run(
        [sys.executable, '-c', code],
        env=env,
        cwd=tmp_path,
        text=True,
        capture_output=True,
        timeout=120,
    )
    assert done.stdout.split() == [
        str(tmp_path / 'site' / 'mmssl_video' / 'configs' / 'memdpc_k400.py'),
        'DensePredictiveCoding',
    ], done.stderr


def fake_python(folder: Path, installed: dict) -> Path:
    """A ``python`` for the set-up scripts that writes pip's arguments down instead of obeying.

    Args:
        folder: Where to put it.
        installed: ``{distribution: version}`` that it claims to have.
    """
    (folder / 'bin').mkdir()
    python = folder / 'bin' / 'python'
    python.write_text(
        f"""#!{sys.executable}
import importlib.metadata as metadata, os, runpy, sys
installed = {installed!r}
def version(name):
    if name in installed:
        return installed[name]
    raise metadata.PackageNotFoundError(name)
metadata.version = version
sys.prefix = {str(folder)!r}
with open({str(folder / 'bin' / 'folders')!r}, 'a') as folders:
    print(os.getcwd(), file=folders)
arguments = sys.argv[1:]
if arguments[0] == '-m':
    print(*arguments[1:])
elif arguments[0] == '-c':
    exec(arguments[1].replace('import torch', '').replace('import mmssl_video', ''))
elif not arguments[0].endswith('opencv.py'):
    sys.argv = arguments
    runpy.run_path(arguments[0], run_name='__main__')
"""
    )
    python.chmod(0o755)
    return python


def with_fake_python(folder: Path, *command: object, **installed: str) -> str:
    """Output of a command in an environment that has ``installed``."""
    python = fake_python(folder, {name.replace('_', '-'): v for name, v in installed.items()})
    path = f'{python.parent}{os.pathsep}{os.environ["PATH"]}'
    done = run(*command, cwd=folder, PATH=path, VIRTUAL_ENV=str(folder))
    assert done.returncode == 0, done.stdout
    return done.stdout


def set_up(folder: Path, extras: str, **installed: str) -> str:
    """What `install_package EXTRAS` would do in an environment that has ``installed``."""
    script = f'set -euo pipefail; source "{REPO}/tools/lib/env.sh"; install_package {extras}'
    output = with_fake_python(folder, 'bash', '-c', script, **installed)
    [installation] = [line for line in output.splitlines() if ' -e ' in line]
    return installation.split(' -e ')[1]


def test_scripts_bring_mmcv_lite_where_no_full_mmcv_is(tmp_path):
    for name, installed in (('empty', {}), ('lite', {'mmcv_lite': '2.1.0'})):
        (tmp_path / name).mkdir()
        assert set_up(tmp_path / name, 'tests', **installed) == '.[lite,tests]'
    (tmp_path / 'full').mkdir()
    assert set_up(tmp_path / 'full', 'tests', mmcv='2.1.0') == '.[tests]'
    (tmp_path / 'bare').mkdir()
    assert set_up(tmp_path / 'bare', '', mmcv='2.1.0') == '.'


def test_set_up_leaves_no_temporary_files(tmp_path):
    set_up(tmp_path, 'tests')
    assert [path.name for path in tmp_path.iterdir()] == ['bin']


PARALLEL = '-n auto --dist loadfile --no-loadscope-reorder'


@pytest.mark.parametrize(
    'arguments, expected',
    [
        ((), PARALLEL),
        (('-m', ''), f'{PARALLEL} -m '),
        (('-q', 'tests/models'), f'{PARALLEL} -q tests/models'),
        (('-n', '0'), '-n 0'),
        (('-n4',), '-n4'),
        (('--pdb', '-x'), '--pdb -x'),
        (('-s',), '-s'),
    ],
)
def test_tests_run_in_parallel_unless_told_otherwise(arguments, expected, tmp_path):
    output = with_fake_python(tmp_path, 'bash', REPO / 'tools' / 'run_tests.sh', *arguments)
    assert output.splitlines()[-1] == f'pytest {expected}'


def test_set_up_imports_nothing_of_the_current_folder(tmp_path):
    """`python -c` would run a torch.py or json.py that lies there."""
    set_up(tmp_path, 'tests')
    folders = set((tmp_path / 'bin' / 'folders').read_text().splitlines())
    assert folders == {str(REPO)}


def constraints_with(monkeypatch, installed: dict) -> list[str]:
    monkeypatch.syspath_prepend(str(REPO / 'tools' / 'lib'))
    import constraints

    monkeypatch.setattr(constraints, 'installed_version', installed.get)
    return constraints.constraints()


def test_constraints_pin_everything_in_an_empty_environment(monkeypatch):
    lines = constraints_with(monkeypatch, {})
    names = {line.split('==')[0] for line in lines}
    assert {
        'torch',
        'mmengine',
        'mmcv-lite',
        'mmaction2',
        'decord',
        'av',
        'numpy',
        'setuptools',
        'opencv-python',
        'opencv-contrib-python',
    } <= names


def test_constraints_never_replace_what_is_there(monkeypatch):
    """A user's torch with CUDA, NumPy and OpenCV stay, and the second OpenCV follows the first."""
    lines = constraints_with(
        monkeypatch, {'torch': '2.6.0+cu124', 'numpy': '1.26.4', 'opencv-python': '4.10.0.84'}
    )
    assert [line for line in lines if line.startswith('torch')] == ['torch==2.6.0+cu124']
    assert not [line for line in lines if line.startswith('numpy')]
    assert {'opencv-python==4.10.0.84', 'opencv-contrib-python==4.10.0.84'} <= set(lines)


def test_pinned_torch_of_this_python():
    tool = REPO / 'tools' / 'lib' / 'constraints.py'
    done = run(sys.executable, tool, '--torch', cwd=REPO, fresh=True)
    expected = 'torch==2.13.0' if sys.version_info >= (3, 10) else 'torch==2.8.0'
    assert done.stdout.strip() == expected


def read_pins(name: str) -> dict:
    """``{distribution: versions}`` of a file of pins."""
    from packaging.requirements import Requirement

    pins: dict = {}
    for line in (REPO / 'requirements' / name).read_text().splitlines():
        if line and not line.startswith('#'):
            pin = Requirement(line)
            pins.setdefault(pin.name.lower().replace('_', '-'), []).append(
                next(iter(pin.specifier)).version
            )
    return pins


def test_oldest_pins_are_the_lower_ends_of_the_ranges():
    """What the oldest job runs is what the package promises."""
    from packaging.requirements import Requirement
    from packaging.version import Version

    pins = read_pins('oldest.txt')
    for name in ('runtime', 'lite'):
        for line in (REPO / 'requirements' / f'{name}.txt').read_text().splitlines():
            if not line or line.startswith('#'):
                continue
            wanted = Requirement(line)
            lower = [one.version for one in wanted.specifier if one.operator == '>=']
            if lower and not (wanted.marker and 'python_version' in str(wanted.marker)):
                [pin] = pins[wanted.name]
                assert Version(pin).release[:2] == (*Version(lower[0]).release, 0)[:2], wanted


def test_another_file_of_pins_can_be_named():
    tool = REPO / 'tools' / 'lib' / 'constraints.py'
    command = [sys.executable, tool, '--torch']
    oldest = run(*command, cwd=REPO, fresh=True, MMSSL_PINS='requirements/oldest.txt')
    assert oldest.stdout.strip() == f'torch=={read_pins("oldest.txt")["torch"][0]}'
    newest = run(*command, cwd=REPO, fresh=True, MMSSL_PINS='requirements/newest.txt')
    assert newest.stdout.strip() == 'torch'


def test_pins_agree_with_the_ranges_of_the_package():
    """Every pin satisfies what setup.py asks for, and every requirement has a pin."""
    from packaging.requirements import Requirement

    pins = read_pins('constraints.txt')
    for name in ('runtime', 'lite', 'tests', 'dev'):
        for line in (REPO / 'requirements' / f'{name}.txt').read_text().splitlines():
            if line and not line.startswith('#'):
                wanted = Requirement(line)
                versions = pins[wanted.name.lower().replace('_', '-')]
                assert all(version in wanted.specifier for version in versions), wanted


def test_unsupported_python_is_one_sentence(tmp_path):
    (tmp_path / 'python').write_text('#!/bin/sh\n[ "$1" = -V ] && echo Python 3.8.1 || exit 1\n')
    (tmp_path / 'python').chmod(0o755)
    script = f'source {REPO}/tools/lib/env.sh; check_python {tmp_path}/python'
    done = run('bash', '-c', script, cwd=tmp_path)
    assert done.returncode == 1
    assert last_line(done.stdout).startswith('error: Python 3.9 to 3.13 is needed, but ')
    assert 'is Python 3.8.1' in last_line(done.stdout)
