"""One run at a time in a work dir, on whichever machine: a lock that dead runs do not keep."""

from __future__ import annotations

import _thread
import contextlib
import datetime
import json
import logging
import os
import signal
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.logging import print_log

from ..atomic_files import write_atomic
from .work_dir import check_work_dir

LOCK = '.run.lock'
BEAT = 15.0  # seconds between two signs of life
#: Seconds without a sign of life after which a run on another machine counts as dead: several
#: beats, since network folders show changes late.
PATIENCE = 180.0


@contextlib.contextmanager
def locked(work_dir: str | os.PathLike) -> Iterator[None]:
    """Keep other runs out of a work dir while the block lasts.

    The lock is a file that names host, process and time, and whose date is renewed. That of a
    process which is gone from this machine is taken over with a sentence; that of another machine
    is watched until it is renewed (its run lives) or is :data:`PATIENCE` seconds old (it is dead:
    a job that was requeued goes on). Of several processes of one run the main one takes the lock,
    and the others learn whether it could: the process group must have been started.

    Args:
        work_dir: The folder; made where it is not there.

    Raises:
        RuntimeError: Another run is at work there; nothing was written.
        OSError: The folder cannot be written to.
    """
    folder = Path(os.path.abspath(work_dir))
    failures: list[Any] = [None]
    lock, new_folders = None, [each for each in (folder, *folder.parents) if not each.exists()]
    if is_main_process():
        try:
            check_work_dir(work_dir)
            lock = _Lock(folder)
        except (OSError, RuntimeError) as error:
            failures = [error]
    broadcast_object_list(failures)
    if failures[0] is not None:
        raise failures[0]
    try:
        yield
    finally:
        if lock is not None:
            lock.release()
            with contextlib.suppress(OSError):  # not empty: something came of the run
                for each in new_folders:
                    each.rmdir()


class _Lock:
    """The lock of a folder, held from construction to ``release``."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / LOCK
        self.own = dict(
            host=socket.gethostname(),
            machine=_machine(),
            process=os.getpid(),
            started=_start_of(os.getpid()),
            since=datetime.datetime.now().isoformat(' ', 'seconds'),
            token=uuid.uuid4().hex,
        )
        folder.mkdir(parents=True, exist_ok=True)
        with alone(folder):
            self._take()
        self._ended = threading.Event()
        self._heart = threading.Thread(target=self._beat, daemon=True, name='run lock')
        self._heart.start()

    def _take(self) -> None:
        while not self._written():
            try:
                other = _read(self.file)
                why = _death(self.file, other)
            except FileNotFoundError:
                continue  # given up this moment
            if why is None:
                raise RuntimeError(
                    f'another run is at work in {str(self.file.parent)!r}: process '
                    f'{other.get("process")} on {other.get("host")}, since {other.get("since")} '
                    f'({LOCK}): give another --work-dir, or wait for its end'
                )
            print_log(
                f'The lock of an earlier run in {self.file.parent} is taken over: {why}.',
                'current',
                logging.WARNING,
            )
            self.file.unlink(missing_ok=True)

    def _written(self) -> bool:
        """Make the lock file, with its contents from the first moment; False where there is one."""
        draft = self.file.with_name(f'{LOCK}.{self.own["token"]}')
        write_atomic(json.dumps(self.own).encode(), draft)
        try:
            os.link(draft, self.file)
        except FileExistsError:
            return False
        except OSError:  # a file system without hard links
            try:
                with self.file.open('x') as file:
                    json.dump(self.own, file)
            except FileExistsError:
                return False
        finally:
            draft.unlink(missing_ok=True)
        return True

    def _is_ours(self) -> bool:
        try:
            return _read(self.file).get('token') == self.own['token']
        except FileNotFoundError:
            return False

    def _beat(self) -> None:
        while not self._ended.wait(BEAT):
            try:
                if not self._is_ours():
                    print_log(
                        f'{self.file} is gone or of another run, which would fight over the files '
                        'of this one: it ends here',
                        'current',
                        logging.ERROR,
                    )
                    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as under nohup
                        os.kill(os.getpid(), signal.SIGTERM)
                    _thread.interrupt_main()
                    return
                os.utime(self.file)
            except OSError as error:  # a network folder that hangs; the next beat may come through
                print_log(f'{self.file} cannot be renewed ({error})', 'current', logging.WARNING)

    def release(self) -> None:
        """Give the folder free, unless another run has taken it over."""
        self._ended.set()
        self._heart.join()
        with contextlib.suppress(OSError):  # the folder may be gone by now
            if self._is_ours():
                self.file.unlink()


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep other processes out of the same block for this folder; for moments, not for a run."""
    try:
        import fcntl
    except ImportError:  # not on Windows: the link alone decides
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # not on every network file system
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _read(file: Path) -> dict:
    """What a lock says; of one cut short by a full disk nothing but its age counts."""
    text = file.read_text(encoding='utf-8')
    try:
        said = json.loads(text)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _death(file: Path, other: dict) -> str | None:
    """Why the run of a lock is dead; None while it lives.

    Raises:
        FileNotFoundError: It has ended meanwhile.
    """
    if other.get('machine') == _machine():
        if other.get('started') == _start_of(other.get('process')):
            return None
        return f'its process {other.get("process")} on this machine is gone'
    whose = f'process {other.get("process")} on {other.get("host")}' if other else 'its process'
    seen, is_said = file.stat().st_mtime, False
    while True:
        if file.stat().st_mtime != seen:
            return None
        age = _now(file) - seen
        if age > PATIENCE:
            return f'{whose} has given no sign of life for {age:.0f} seconds'
        if not is_said:
            print_log(
                f'{file} is held by {whose}: waiting to see whether it lives, for at most '
                f'{PATIENCE - age:.0f} seconds',
                'current',
            )
            is_said = True
        time.sleep(min(1.0, PATIENCE / 10))


def _now(file: Path) -> float:
    """The time by the clock of the file system, which may be another machine's."""
    probe = file.with_name(f'{LOCK}.{uuid.uuid4().hex}')
    probe.touch()
    try:
        return probe.stat().st_mtime
    finally:
        probe.unlink(missing_ok=True)


def _machine() -> str:
    """What tells this machine, since its last start, from others; also containers of one host."""
    parts = [socket.gethostname()]
    with contextlib.suppress(OSError):
        parts.append(Path('/proc/sys/kernel/random/boot_id').read_text().strip())
    with contextlib.suppress(OSError):
        parts.append(os.readlink('/proc/self/ns/pid'))
    return ' '.join(parts)


def _start_of(process: Any) -> str | None:
    """When a process of this machine began, so that a number used anew is no proof of life."""
    if not isinstance(process, int):
        return None
    try:
        # after the name, which may hold spaces and brackets
        state, *fields = Path(f'/proc/{process}/stat').read_text().rpartition(')')[2].split()
        return None if state in 'ZX' else fields[18]
    except OSError:
        pass
    if os.path.exists('/proc/self/stat'):
        return None
    try:  # no /proc: macOS
        os.kill(process, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        return 'alive'
    return 'alive'
