"""The pinned versions, less what the environment has already.

pip's constraints also bind what is installed: with the file as it is, pip would replace the torch
and NumPy that a user chose. What is there stays; setup.py's ranges still hold.

    python tools/lib/constraints.py           prints the constraints for pip
    python tools/lib/constraints.py --torch   prints the pinned torch for this Python

MMSSL_PINS names another file of pins, such as requirements/oldest.txt.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).resolve().parents[2] / 'requirements'
PINS = Path(os.environ.get('MMSSL_PINS') or REQUIREMENTS / 'constraints.txt')
OPENCV = ('opencv-python', 'opencv-contrib-python')  # share their files, so their version too


def read_pins() -> list[tuple[str, str, str]]:
    """``(name, version, marker)`` of each line."""
    lines = (line.split('#')[0].strip() for line in PINS.read_text().splitlines())
    return [
        re.fullmatch(r'([\w.-]+)==([^;\s]+)\s*;?\s*(.*)', line).groups() for line in lines if line
    ]


def installed_version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def applies(marker: str) -> bool:
    """Whether a marker of the kind ``python_version >= "3.10"`` holds here."""
    if not marker:
        return True
    comparison, version = re.fullmatch(r'python_version (>=|<) "([\d.]+)"', marker).groups()
    here, there = sys.version_info[:2], tuple(map(int, version.split('.')))
    return here >= there if comparison == '>=' else here < there


def constraints() -> list[str]:
    """Lines for ``pip install -c``."""
    opencv = next(filter(None, map(installed_version, OPENCV)), None)
    lines = []
    for name, version, marker in read_pins():
        present = installed_version(name)
        if name in OPENCV:
            version = opencv or version
        elif name == 'torch' and present:
            version, marker = present, ''  # never replaced, whatever else is asked for
        elif present:
            continue
        line = f'{name}=={version}' + (f'; {marker}' if marker else '')
        if line not in lines:
            lines.append(line)
    return lines


if __name__ == '__main__':
    if '--torch' in sys.argv[1:]:
        torch = (
            f'torch=={version}'
            for name, version, marker in read_pins()
            if name == 'torch' and applies(marker)
        )
        print(next(torch, 'torch'))
    else:
        print('\n'.join(constraints()))
