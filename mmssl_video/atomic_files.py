"""Files that are whole or not there, whenever the process or the machine dies."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from mmengine.fileio import LocalBackend, register_backend

_SUFFIX = '.partial'


@contextmanager
def open_atomic(path: str | os.PathLike) -> Iterator[BinaryIO]:
    """Open a file for writing bytes under a hidden name of its own.

    When the block ends, the file is flushed to the disk and renamed into place; when it fails, the
    file is removed and what stood at ``path`` stays.
    """
    path = Path(path)
    partial = path.with_name(f'.{path.name}.{uuid.uuid4().hex[:8]}{_SUFFIX}')
    try:
        with partial.open('xb') as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def write_atomic(data: bytes, path: str | os.PathLike) -> None:
    """Write a whole file with :func:`open_atomic`; folders are made."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with open_atomic(path) as file:
        file.write(data)


def remove_partial(folder: str | os.PathLike) -> list[Path]:
    """Remove what killed writers left in a folder; returns the files removed."""
    leftovers = sorted(Path(folder).glob(f'.*{_SUFFIX}'))
    for path in leftovers:
        path.unlink()
    return leftovers


class AtomicLocalBackend(LocalBackend):
    """mmengine's file backend for the local disk, whose own ``put`` truncates the file first."""

    def put(self, obj: bytes, filepath: str | Path) -> None:
        write_atomic(obj, filepath)

    def put_text(self, obj: str, filepath: str | Path, encoding: str = 'utf-8') -> None:
        write_atomic(obj.encode(encoding), filepath)


register_backend('atomic_local', AtomicLocalBackend, force=True)
