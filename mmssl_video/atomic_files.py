"""Files that are whole or not there, whenever the process or the machine dies."""

from __future__ import annotations

import errno
import io
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from mmengine.fileio import LocalBackend, register_backend

_SUFFIX = '.partial'
#: Errors of a disk (or a quota, or a limit) that has no room for a file.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class _Watched(io.FileIO):
    """A file that remembers why it could not be written, whoever writes and hides the reason."""

    failure: OSError | None = None

    # the base is also declared as a typing.IO, whose overloads no subclass repeats
    def write(self, data: Any, /) -> int | None:  # type: ignore[override]
        try:
            return super().write(data)
        except OSError as error:
            self.failure = error
            raise


@contextmanager
def open_atomic(path: str | os.PathLike) -> Iterator[BinaryIO]:
    """Open a file for writing bytes under a hidden name of its own.

    When the block ends, the file is flushed to the disk and renamed into place; when it fails, the
    file is removed and what stood at ``path`` stays.

    Raises:
        OSError: It cannot be written (a full disk, a quota, a limit); the message names ``path``.
    """
    path = Path(path)
    # absolute: FFmpeg, to which the name may be given, takes a:b for an address
    folder = path.parent.absolute()
    partial = folder / f'.{path.name}.{uuid.uuid4().hex[:8]}{_SUFFIX}'
    raw = None
    try:
        raw = _Watched(str(partial), 'xb')
        with io.BufferedWriter(raw) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException as error:
        failure = raw.failure if raw is not None else None
        partial.unlink(missing_ok=True)
        if failure is None and isinstance(error, OSError) and error.errno in NO_ROOM:
            failure = error
        if failure is not None:
            raise cannot_write(path, failure) from None
        raise


def cannot_write(path: str | os.PathLike, error: OSError) -> OSError:
    """The error that a file cannot be written, as one sentence that names it."""
    kept = '; what stood there before is unchanged' if Path(path).exists() else ''
    named = OSError(f'{path} cannot be written ({error.strerror or error}){kept}')
    named.errno = error.errno
    return named


def reserve(path: str | os.PathLike, size: int) -> None:
    """Make a file that long, with room on the disk for every byte of it.

    What is mapped into memory is written without a chance to report that the disk is full: the
    process would die of a bus error. New bytes are 0.

    Args:
        path: The file; made where it is not there.
        size: Bytes.

    Raises:
        OSError: There is no room; the message names the file and the size, and the file is gone.
    """
    with open(path, 'ab') as file:
        try:
            if hasattr(os, 'posix_fallocate') and size:
                os.posix_fallocate(file.fileno(), 0, size)
            elif size > file.tell():  # macOS
                _fill(file, size - file.tell())
        except OSError as error:
            os.unlink(path)
            raise OSError(
                f'there is no room for {path}, of {size / 2**20:.0f} MiB ({error.strerror})'
            ) from None
        file.truncate(size)


def _fill(file: BinaryIO, count: int) -> None:
    zeros = bytes(2**20)
    while count > 0:
        count -= file.write(zeros[:count])
    file.flush()


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
