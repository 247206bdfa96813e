"""Files that are whole or not there, whenever the process or the machine dies."""

from __future__ import annotations

import os
from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend

_PREFIX, _SUFFIX = '.', '.partial'


def write_atomic(data: bytes, path: str | os.PathLike) -> None:
    """Write a file under a hidden name, flush it to the disk, then rename it into place."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f'{_PREFIX}{path.name}{_SUFFIX}')
    with partial.open('wb') as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


def remove_partial(folder: str | os.PathLike) -> list[Path]:
    """Remove what killed writers left in a folder; returns the files removed."""
    found = sorted(Path(folder).glob(f'{_PREFIX}*{_SUFFIX}'))
    for path in found:
        path.unlink()
    return found


class AtomicLocalBackend(LocalBackend):
    """mmengine's file backend for the local disk, whose own ``put`` truncates the file first."""

    def put(self, obj: bytes, filepath: str | Path) -> None:
        write_atomic(obj, filepath)

    def put_text(self, obj: str, filepath: str | Path, encoding: str = 'utf-8') -> None:
        write_atomic(obj.encode(encoding), filepath)


register_backend('atomic_local', AtomicLocalBackend, force=True)
