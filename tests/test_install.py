"""What is built from the sources, and the set-up scripts, without the network."""

import importlib.metadata
import shutil
import subprocess
import sys
import zipfile
from email.parser import Parser

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


@pytest.fixture(scope='module')
def wheel(sources):
    """The wheel that `pip install .` would install."""
    done = run(
        sys.executable,
        '-c',
        'import setuptools.build_meta as b; b.build_wheel("dist")',
        cwd=sources,
    )
    assert done.returncode == 0, done.stdout
    [path] = (sources / 'dist').glob('*.whl')
    return path


def test_wheel_is_complete(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder, target in (('mmssl_video', 'mmssl_video'), ('configs', 'mmssl_video/configs')):
        expected = {
            f'{target}/{path.relative_to(REPO / folder).as_posix()}'
            for path in (REPO / folder).rglob('*.py')
            if '__pycache__' not in path.parts
        }
        assert expected <= names, sorted(expected - names)
    assert not [name for name in names if name.startswith(('tests/', 'tools/', 'configs/'))]


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
    for package in ('torch>=2.4', 'mmengine', 'mmcv', 'mmaction2', 'decord', 'importlib_metadata'):
        assert package in required or package.replace('_', '-') in required
    for banned in ('openmim', 'torchvision'):
        assert banned not in required


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


def test_mmcv_can_be_chosen(sources):
    (sources / 'probe.py').write_text(
        'import setuptools\nsetuptools.setup = lambda **given: print(given["install_requires"])\n'
        'exec(open("setup.py").read(), {"__file__": "setup.py", "__name__": "x"})\n'
    )

    def required(**env):
        return run(sys.executable, 'probe.py', cwd=sources, **env).stdout

    assert "'mmcv-lite>=" in required(MMSSL_MMCV='lite') and "'mmcv>=" not in required(
        MMSSL_MMCV='lite'
    )
    assert "'mmcv>=" in required(MMSSL_MMCV='full')
    assert 'mmcv' not in required(MMSSL_MMCV='none')
    assert 'error: MMSSL_MMCV must be full, lite or none' in required(MMSSL_MMCV='both')
    full = any(
        path.is_dir()
        for path in importlib.metadata.distribution('mmaction2')
        .locate_file('')
        .glob('mmcv-[0-9]*.dist-info')
    )
    assert ("'mmcv>=" in required()) == full


def test_full_mmcv_is_recognised_on_disk(sources, tmp_path, monkeypatch):
    """A virtual environment that holds the metadata of a full mmcv."""
    subprocess.run(
        [
            sys.executable,
            '-m',
            'venv',
            '--without-pip',
            '--system-site-packages',
            str(tmp_path / 'venv'),
        ],
        check=True,
    )
    python = tmp_path / 'venv' / 'bin' / 'python'
    code = (
        'import sys, types\nsys.modules["setuptools"] = m = types.ModuleType("setuptools")\n'
        'm.find_packages = lambda **k: []\nm.setup = lambda **k: print(k["install_requires"])\n'
        'for n in ("setuptools.command", "setuptools.command.build_py"):\n'
        '    sys.modules[n] = types.ModuleType(n)\n'
        'sys.modules[n].build_py = object\n'
        'exec(open("setup.py").read(), {"__file__": "setup.py", "__name__": "x"})'
    )
    site = next((tmp_path / 'venv' / 'lib').glob('python*')) / 'site-packages'
    assert "'mmcv-lite>=" in run(python, '-c', code, cwd=sources).stdout
    (site / 'mmcv-2.1.0.dist-info').mkdir()
    assert "'mmcv>=" in run(python, '-c', code, cwd=sources).stdout


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
    done = run(sys.executable, REPO / 'tools' / 'lib' / 'constraints.py', '--torch', cwd=REPO)
    expected = 'torch==2.13.0' if sys.version_info >= (3, 10) else 'torch==2.8.0'
    assert done.stdout.strip() == expected


def test_pins_agree_with_the_ranges_of_the_package():
    """Every pin satisfies what setup.py asks for, and every requirement has a pin."""
    from packaging.requirements import Requirement

    pins = {}
    for line in (REPO / 'requirements' / 'constraints.txt').read_text().splitlines():
        if line and not line.startswith('#'):
            pin = Requirement(line)
            pins.setdefault(pin.name.lower().replace('_', '-'), []).append(
                next(iter(pin.specifier)).version
            )
    for name in ('runtime', 'tests'):
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
