"""tools/lib/opencv.py: the set-up on machines that lack the libraries of OpenCV's windows."""

import subprocess
import sys
import zipfile
from email.parser import Parser

import pytest

from helpers.tiny_run import REPO, environment

TOOL = REPO / 'tools' / 'lib' / 'opencv.py'
COMPLAINT = 'libGL.so.1: cannot open shared object file: No such file or directory'


@pytest.fixture
def opencv(monkeypatch):
    """The tool as a module, in an environment that holds nothing and whose cv2 loads."""
    monkeypatch.syspath_prepend(str(TOOL.parent))
    import opencv

    monkeypatch.setattr(opencv, 'missing_library', lambda: None)
    monkeypatch.setattr(opencv, 'installed_version', {}.get)
    monkeypatch.delenv('MMSSL_OPENCV', raising=False)
    return opencv


@pytest.fixture
def pip_calls(opencv, monkeypatch):
    """What pip is asked for; a download leaves a wheel."""
    calls = []

    def pip(*arguments):
        calls.append([str(argument) for argument in arguments])
        if arguments[0] == 'download':
            (arguments[3] / 'opencv_contrib_python_headless-1.2.3-x.whl').touch()

    monkeypatch.setattr(opencv, 'pip', pip)
    return calls


def both_windowed(name):
    return '1.2.3' if name in ('opencv-python', 'opencv-contrib-python') else None


def test_an_opencv_that_loads_is_left_alone(opencv, pip_calls, monkeypatch):
    monkeypatch.setattr(opencv, 'installed_version', both_windowed)
    monkeypatch.setattr(opencv, 'may_replace', lambda: True)
    opencv.keep()
    opencv.mend()
    assert pip_calls == []


def test_an_environment_of_the_user_is_not_changed(opencv, pip_calls, monkeypatch):
    monkeypatch.setattr(opencv, 'missing_library', lambda: COMPLAINT)
    monkeypatch.setattr(opencv, 'installed_version', both_windowed)
    with pytest.raises(SystemExit) as stop:
        opencv.mend()
    sentence = stop.value.code
    assert sentence.startswith(f'error: OpenCV does not load ({COMPLAINT}): install ')
    assert 'apt install libgl1 libglib2.0-0' in sentence and 'MMSSL_OPENCV=headless' in sentence
    assert '\n' not in sentence and pip_calls == []


def test_who_may_replace(opencv, tmp_path):
    assert not opencv.may_replace({}, str(tmp_path))
    assert opencv.may_replace({'MMSSL_OPENCV': 'headless'}, str(tmp_path))
    (tmp_path / 'made-by-mmssl_video').touch()
    assert opencv.may_replace({}, str(tmp_path))
    assert 'made-by-mmssl_video' in (REPO / 'tools' / 'lib' / 'env.sh').read_text()


def test_the_headless_one_takes_both_places(opencv, pip_calls, monkeypatch, capsys):
    complaints = iter([COMPLAINT, None])
    monkeypatch.setattr(opencv, 'missing_library', lambda: next(complaints))
    monkeypatch.setattr(opencv, 'installed_version', both_windowed)
    monkeypatch.setattr(opencv, 'may_replace', lambda: True)
    opencv.mend()
    download, uninstall, install = pip_calls
    # the download comes first: without a connection the environment stays as it is
    assert download[0] == 'download' and download[-1] == 'opencv-contrib-python-headless==1.2.3'
    # and all that own cv2/ go before anything is laid there
    assert uninstall == ['uninstall', '-y', 'opencv-python', 'opencv-contrib-python']
    assert install[:3] == ['install', '--no-deps', '--no-index']
    assert [path.rpartition('/')[2].partition('-')[0] for path in install[3:]] == [
        'opencv_contrib_python_headless',
        'opencv_python',
        'opencv_contrib_python',
    ]
    assert COMPLAINT in capsys.readouterr().out


def test_an_opencv_that_is_not_from_pip_is_named(opencv, pip_calls, monkeypatch):
    monkeypatch.setattr(opencv, 'missing_library', lambda: COMPLAINT)
    monkeypatch.setattr(opencv, 'may_replace', lambda: True)
    with pytest.raises(SystemExit, match='is not from pip'):
        opencv.mend()
    assert pip_calls == []


def test_a_headless_opencv_of_the_user_is_kept(opencv, pip_calls, monkeypatch):
    """pip would lay the windowed wheels, perhaps of another version, over its files."""
    monkeypatch.setattr(
        opencv, 'installed_version', {'opencv-contrib-python-headless': '4.9.0.80'}.get
    )
    opencv.keep()
    [install] = pip_calls
    assert [path.rpartition('/')[2] for path in install[3:]] == [
        'opencv_python-4.9.0.80-py3-none-any.whl',
        'opencv_contrib_python-4.9.0.80-py3-none-any.whl',
    ]


@pytest.mark.parametrize(
    'failure, complaint',
    [
        (f'raise ImportError({COMPLAINT!r})', COMPLAINT),
        (
            "raise ImportError('/usr/lib/libgthread-2.0.so.0: file too short')",
            '/usr/lib/libgthread-2.0.so.0: file too short',
        ),
        ("raise ImportError('numpy.core.multiarray failed to import')", None),
        ("raise ModuleNotFoundError('No module named cv2')", None),
        ('pass', None),
    ],
)
def test_only_missing_libraries_count(failure, complaint, tmp_path):
    """Another NumPy or no cv2 at all is not mended by another wheel."""
    (tmp_path / 'cv2.py').write_text(failure)
    code = (
        f'import sys; sys.path.insert(0, {str(TOOL.parent)!r})\n'
        'import opencv; print(opencv.missing_library())'
    )
    done = subprocess.run(
        [sys.executable, '-c', code],
        cwd=tmp_path,
        env={**environment(), 'PYTHONPATH': str(tmp_path)},
        text=True,
        stdout=subprocess.PIPE,
    )
    assert done.stdout.strip() == str(complaint)


def test_a_stand_in_is_an_empty_wheel_that_asks_for_the_headless_one(opencv, tmp_path):
    wheel = opencv.write_stand_in('opencv-contrib-python', '4.9.0.80', tmp_path)
    archive = zipfile.ZipFile(wheel)
    folder = 'opencv_contrib_python-4.9.0.80.dist-info'
    assert sorted(archive.namelist()) == [f'{folder}/{f}' for f in ('METADATA', 'RECORD', 'WHEEL')]
    metadata = Parser().parsestr(archive.read(f'{folder}/METADATA').decode())
    assert metadata['Name'] == 'opencv-contrib-python'
    assert metadata['Requires-Dist'] == 'opencv-contrib-python-headless==4.9.0.80'


@pytest.mark.slow
def test_opencv_loads_without_the_libraries_of_the_system(tmp_path):
    """The real wheels in a real environment, with libGL hidden; needs pip's index."""
    environment_folder = tmp_path / 'ä b'
    subprocess.run([sys.executable, '-m', 'venv', str(environment_folder)], check=True)
    python = environment_folder / 'bin' / 'python'

    def do(*arguments, **env):
        inherited = {
            k: v for k, v in environment().items() if k not in ('PYTHONPATH', 'MMSSL_OPENCV')
        }
        return subprocess.run(
            [str(python), *map(str, arguments)],
            cwd=tmp_path,
            env={**inherited, **env},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    pins = ('opencv-python==5.0.0.93', 'opencv-contrib-python==5.0.0.93')
    done = do('-m', 'pip', 'install', '-q', 'numpy', *pins)
    if done.returncode:
        pytest.skip(f'pip cannot install OpenCV here: {done.stdout.strip()[-200:]}')
    # an empty file that the loader meets before the real library
    hiding = {'LD_LIBRARY_PATH': str(tmp_path / 'hidden')}
    (tmp_path / 'hidden').mkdir()
    (tmp_path / 'hidden' / 'libGL.so.1').touch()
    assert 'libGL.so.1: file too short' in do('-c', 'import cv2', **hiding).stdout

    refused = do(TOOL, 'mend', **hiding)
    assert refused.returncode == 1
    assert refused.stdout.startswith('error: OpenCV does not load (')
    assert 'headless' not in do('-m', 'pip', 'freeze').stdout

    (environment_folder / 'made-by-mmssl_video').touch()
    mended = do(TOOL, 'mend', **hiding)
    assert mended.returncode == 0, mended.stdout
    show = 'import cv2; print(cv2.__version__, bool(cv2.optflow.createOptFlow_DualTVL1))'
    assert do('-c', show, **hiding).stdout == '5.0.0 True\n'
    assert do('-m', 'pip', 'check').stdout == 'No broken requirements found.\n'
    # the next set-up: nothing to do, and pip finds what mmengine and mmaction2 ask for
    assert do(TOOL, 'keep', **hiding).stdout == do(TOOL, 'mend', **hiding).stdout == ''
    again = do('-m', 'pip', 'install', '--dry-run', '--no-index', *pins)
    assert 'Would install' not in again.stdout and again.returncode == 0
