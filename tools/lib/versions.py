"""The versions of this environment as cells of a row of docs/compatibility.md."""

from __future__ import annotations

import datetime
import importlib.metadata
import platform

NAMES = ('torch', 'numpy', 'opencv-python', 'mmengine', 'av', 'mmaction2', 'decord')


def version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return 'none'


cells = [datetime.date.today().isoformat(), platform.python_version(), *map(version, NAMES)]
print('| ' + ' | '.join(cells))
