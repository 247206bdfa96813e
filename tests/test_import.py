"""Importing the package, in processes of its own: what it needs, and what it says without."""

import subprocess
import sys
from pathlib import Path

import pytest
from mmaction import registry
from mmengine.config import Config

import mmssl_video
from helpers.tiny_run import environment
from mmssl_video import compat

pytestmark = pytest.mark.compat


def python(code: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, '-c', code],
        env=environment(),
        cwd='/',
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_import_is_quiet_and_registers_everything():
    done = python('import mmssl_video; print(mmssl_video.__version__)')
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == mmssl_video.__version__
    assert 'Warning' not in done.stderr
    assert 'DensePredictiveCoding' in registry.MODELS
    assert 'VideoListDataset' in registry.DATASETS
    assert 'AtomicCheckpointHook' in registry.HOOKS
    assert 'SSLMetric' in registry.METRICS
    assert 'CPUAmpOptimWrapper' in registry.OPTIM_WRAPPERS


@pytest.mark.parametrize(
    ('name', 'version', 'wanted'),
    [
        ('mmengine', '0.9.1', 'mmengine >= 0.10.5, < 0.11'),
        ('mmcv-lite', '2.2.0', 'mmcv >= 2.1.0, < 2.2.0'),
        ('mmaction2', '0.24.1', 'mmaction2 >= 1.2.0, < 1.3'),
    ],
)
def test_version_outside_the_range_is_one_sentence(name, version, wanted):
    done = python(f"""
import importlib.metadata as metadata
real = metadata.version
def version(name):
    if name == 'mmcv' and {name!r} == 'mmcv-lite':
        raise metadata.PackageNotFoundError(name)
    return {version!r} if name == {name!r} else real(name)
metadata.version = version
import mmssl_video""")
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(f'ImportError: mmssl_video needs {wanted}, but {version} is installed; ')


def test_missing_mmcv_is_one_sentence_that_names_the_small_one():
    """pip is not asked for any mmcv; see setup.py."""
    done = python("""
import importlib.metadata as metadata, importlib.util as util
real_version, real_spec = metadata.version, util.find_spec
def version(name):
    if name.startswith('mmcv'):
        raise metadata.PackageNotFoundError(name)
    return real_version(name)
metadata.version = version
util.find_spec = lambda name, *rest: None if name == 'mmcv' else real_spec(name, *rest)
import mmssl_video""")
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith('ImportError: mmssl_video needs mmcv >= 2.1.0, < 2.2.0, but it is not ')
    assert last.endswith("; pip install 'mmcv-lite>=2.1.0,<2.2.0'")


def test_an_opencv_that_does_not_load_is_one_sentence(tmp_path):
    """libGL is missing in slim containers and on most servers."""
    (tmp_path / 'cv2.py').write_text(
        "raise ImportError('libGL.so.1: cannot open shared object file: No such file')"
    )
    done = python(f'import sys; sys.path.insert(0, {str(tmp_path)!r}); import mmssl_video')
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith('ImportError: OpenCV does not load (libGL.so.1: cannot open ')
    assert 'apt install libgl1' in last and 'opencv-contrib-python-headless==' in last


def test_missing_part_of_the_stack_is_one_sentence():
    done = python("""
import importlib.metadata as metadata, importlib.util as util
real_version, real_spec = metadata.version, util.find_spec
def version(name):
    if name == 'mmaction2':
        raise metadata.PackageNotFoundError(name)
    return real_version(name)
metadata.version = version
util.find_spec = lambda name, *rest: None if name == 'mmaction' else real_spec(name, *rest)
import mmssl_video""")
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(
        'ImportError: mmssl_video needs mmaction2 >= 1.2.0, < 1.3, but it is not installed in '
    )


def test_shipped_configs_are_found_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ('configs/demo/memdpc_demo.py', 'memdpc_demo.py', 'memdpc_demo'):
        assert mmssl_video.find_config(name) == mmssl_video.config_dir() / 'demo/memdpc_demo.py'
    for name in ('configs/memdpc_k400.py', 'memdpc_k400'):
        assert mmssl_video.find_config(name) == mmssl_video.config_dir() / 'memdpc_k400.py'
    (tmp_path / 'memdpc_demo.py').write_text('own = True\n')
    assert mmssl_video.find_config('memdpc_demo.py') == Path('memdpc_demo.py')
    with pytest.raises(FileNotFoundError, match="config 'nothing.py' does not exist"):
        mmssl_video.find_config('nothing.py')
    with pytest.raises(FileNotFoundError, match='is a directory'):
        mmssl_video.find_config(tmp_path)


def test_config_text_keeps_integer_keys(tmp_path):
    """mmengine writes the config into each checkpoint as text; a curriculum must come back."""
    cfg = Config.fromfile(str(mmssl_video.find_config('dpc_4pred4_k400')))
    (tmp_path / 'again.py').write_text(cfg.pretty_text)
    again = Config.fromfile(str(tmp_path / 'again.py')).to_dict()
    assert again == compat.steps_as_lists(cfg.to_dict())
