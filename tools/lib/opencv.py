"""OpenCV that loads on a machine without a screen.

mmengine and mmcv ask for opencv-python, mmaction2 for opencv-contrib-python. Both wheels need
libraries of the system (libGL, libgthread) that slim containers and servers lack. There the same
code without windows, opencv-contrib-python-headless of the same version, takes their place, and
two empty distributions with their names and that version keep pip's books in order.

    python tools/lib/opencv.py keep    before installing: a headless OpenCV that is there stays
    python tools/lib/opencv.py mend    after: replaces wheels that do not load. Only in an
                                       environment that env.sh made, or with MMSSL_OPENCV=headless
"""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

WINDOWED = ('opencv-python', 'opencv-contrib-python')
HEADLESS = 'opencv-contrib-python-headless'
MADE_BY_US = 'made-by-mmssl_video'  # a file that env.sh leaves in the environments it makes


def installed_version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def missing_library() -> str | None:
    """What the loader says where cv2 lacks a library of the system, else None."""
    done = subprocess.run(
        [sys.executable, '-c', 'import cv2'],
        cwd=Path(__file__).parent,  # not from a folder where somebody keeps a cv2.py
        stderr=subprocess.PIPE,
        text=True,
    )
    if done.returncode == 0:
        return None
    last_line = done.stderr.strip().rpartition('\n')[2]
    complaint = re.fullmatch(r'ImportError: (\S+\.so[.\d]*: .*)', last_line)
    return complaint.group(1) if complaint else None


def may_replace(environ=os.environ, prefix: str = sys.prefix) -> bool:
    """Whether this environment is ours to change, or its owner asks for it."""
    return environ.get('MMSSL_OPENCV') == 'headless' or (Path(prefix) / MADE_BY_US).is_file()


def advice(complaint: str) -> str:
    """One sentence for the owner of an environment."""
    return (
        f'OpenCV does not load ({complaint}): install the libraries it needs (on Debian and '
        f'Ubuntu: apt install libgl1 libglib2.0-0), or give the same command with '
        f'MMSSL_OPENCV=headless, which puts {HEADLESS} in place of {" and ".join(WINDOWED)} '
        f'in {sys.prefix}'
    )


def write_stand_in(name: str, version: str, folder: Path) -> Path:
    """An empty wheel called ``name`` that requires the headless OpenCV of ``version``."""
    stem = f'{name.replace("-", "_")}-{version}'
    info = f'{stem}.dist-info'
    files = {
        f'{info}/METADATA': (
            f'Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n'
            f'Summary: Stands in for {name}: its files come from {HEADLESS}\n'
            f'Requires-Dist: {HEADLESS}=={version}\n'
        ),
        f'{info}/WHEEL': (
            'Wheel-Version: 1.0\nGenerator: mmssl_video\nRoot-Is-Purelib: true\nTag: py3-none-any\n'
        ),
    }
    record = [f'{info}/RECORD,,\n']
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())
        record.append(f'{path},sha256={digest.rstrip(b"=").decode()},{len(text.encode())}\n')
    wheel = folder / f'{stem}-py3-none-any.whl'
    with zipfile.ZipFile(wheel, 'w') as archive:
        for path, text in {**files, f'{info}/RECORD': ''.join(record)}.items():
            archive.writestr(path, text)
    return wheel


def pip(*arguments: object) -> None:
    command = [sys.executable, '-m', 'pip', *map(str, arguments)]
    if subprocess.run([*command, '--disable-pip-version-check', '-q']).returncode:
        raise SystemExit(f'error: {" ".join(command[1:4])} failed; its own words stand above')


def replace(version: str) -> None:
    """Put the headless OpenCV of ``version`` and two stand-ins in place of what is installed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # first the download: a broken line must not leave the environment without any OpenCV
        pip('download', '--no-deps', '--dest', folder, f'{HEADLESS}=={version}')
        [headless] = folder.glob('*.whl')
        stand_ins = [write_stand_in(windowed, version, folder) for windowed in WINDOWED]
        # all own the same cv2/: whatever is removed takes the files of the others with it
        installed = [known for known in (*WINDOWED, HEADLESS) if installed_version(known)]
        pip('uninstall', '-y', *installed)
        pip('install', '--no-deps', '--no-index', headless, *stand_ins)


def keep() -> None:
    """Where only the headless OpenCV is installed, keep pip from laying the others over it."""
    version = installed_version(HEADLESS)
    if version and not any(map(installed_version, WINDOWED)):
        with tempfile.TemporaryDirectory() as name:
            stand_ins = [write_stand_in(windowed, version, Path(name)) for windowed in WINDOWED]
            pip('install', '--no-deps', '--no-index', *stand_ins)


def mend() -> None:
    """Replace an OpenCV whose libraries the system lacks, or say in one sentence what to do."""
    complaint = missing_library()
    if complaint is None:
        return
    if not may_replace():
        raise SystemExit(f'error: {advice(complaint)}')
    version = next(filter(None, map(installed_version, reversed(WINDOWED))), None)
    if version is None:
        raise SystemExit(f'error: OpenCV does not load, and is not from pip: {complaint}')
    print(f'OpenCV does not load ({complaint}): installing {HEADLESS} instead', flush=True)
    replace(version)
    complaint = missing_library()
    if complaint:
        raise SystemExit(f'error: {HEADLESS} does not load either: {complaint}')


if __name__ == '__main__':
    {'keep': keep, 'mend': mend}[sys.argv[1]]()
