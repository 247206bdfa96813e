"""Runs ``python ...`` in forks of one process that has imported everything already.

Importing torch and mmaction2 takes seconds of CPU, and hundreds of tests run a tool. What a tool
does is the same in a fork, which starts within milliseconds: arguments, folder, environment,
output, exit code and signals are its own. What the start of an interpreter itself does (the order
of imports, variables that are read at import, peak memory) needs a fresh one:
``tiny_run.run(..., fresh=True)``.

The server is ``python -m helpers.fork_server``, started at the first use, one for each process of
pytest; it ends with it. For each request it forks a keeper, which forks the program, waits for it
and reports how it ended.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import json
import os
import random
import resource
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import types
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
# Read when Python or OpenMP starts: a fork has those of the server.
AT_START = ('PYTHONWARNINGS', 'PYTHONHASHSEED', 'PYTHONIOENCODING', 'PYTHONUTF8', 'LC_', 'LANG')
AT_START += ('OMP_', 'MKL_', 'OPENBLAS_', 'KMP_', 'LD_')


# -- for tests ----------------------------------------------------------------------------------
class Process:
    """A running fork, with the part of the interface of ``subprocess.Popen`` that tests use."""

    def __init__(self, arguments: list[str], status: socket.socket) -> None:
        self.args = arguments
        self.returncode: int | None = None
        self.cpu_seconds: float | None = None  # of the process and of those it waited for
        self._status = status
        self.pid = int(self._read(60))

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end.

        Returns:
            Its exit code; negative: the signal that ended it.

        Raises:
            subprocess.TimeoutExpired: It goes on after ``timeout`` seconds; it is not ended.
        """
        if self.returncode is None:
            ended = json.loads(self._read(timeout))
            self.returncode, self.cpu_seconds = ended['code'], ended['cpu']
            self._status.close()
        return self.returncode

    def kill(self) -> None:
        """End it at once (SIGKILL), unless it has ended."""
        self.send_signal(signal.SIGKILL)

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def _read(self, timeout: float | None) -> bytes:
        self._status.settimeout(timeout)
        try:
            message = self._status.recv(1000)
        except socket.timeout:
            raise subprocess.TimeoutExpired(self.args, timeout) from None
        if not message:
            raise RuntimeError('the fork server has ended; its message stands in the output above')
        return message


def start(arguments: Sequence, cwd: Path, env: Mapping[str, str], stdout, stderr) -> Process:
    """Start ``python arguments...`` in a fork.

    Args:
        arguments: What follows ``python``: ``SCRIPT ...``, ``-c CODE ...`` or ``-m MODULE ...``,
            behind any number of ``-W FILTER``.
        cwd: Its folder.
        env: Its whole environment, as of ``subprocess``.
        stdout: File that takes its output.
        stderr: File that takes its errors.

    Raises:
        ValueError: ``env`` changes a variable that only the start of an interpreter heeds.
    """
    server, own_env = _server()
    for key in {*env, *own_env}:
        if key.startswith(AT_START) and env.get(key) != own_env.get(key):
            raise ValueError(f'{key} is read when Python starts: use fresh=True instead of a fork')
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    arguments = [str(argument) for argument in arguments]
    with its, tempfile.TemporaryFile('w+') as request:  # of any length, unlike a message
        json.dump(dict(arguments=arguments, cwd=str(cwd), env=dict(env)), request)
        request.seek(0)  # also writes it out
        handles = [file.fileno() for file in (request, stdout, stderr, its)]
        socket.send_fds(server, [b'run'], handles)
    return Process([sys.executable, *arguments], ours)


@functools.lru_cache(maxsize=1)
def _server() -> tuple[socket.socket, dict[str, str]]:
    from .tiny_run import environment

    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    env = environment()
    env['PYTHONPATH'] = os.pathsep.join([str(TESTS), env['PYTHONPATH']])
    with its:
        process = subprocess.Popen(
            [sys.executable, '-m', 'helpers.fork_server', str(its.fileno())],
            env=env,
            pass_fds=[its.fileno()],
            stdin=subprocess.DEVNULL,
        )

    def end() -> None:
        ours.close()
        process.wait(timeout=60)

    atexit.register(end)
    return ours, env


# -- the server ---------------------------------------------------------------------------------
def serve(control: socket.socket) -> None:
    """Fork for every request until the tests close the connection."""
    before = dict(os.environ)
    import_everything()
    changed = {key: value for key, value in os.environ.items() if before.get(key) != value}
    if len(os.listdir('/proc/self/task')) > 1:
        raise RuntimeError('the imports started threads, which do not live on in forks')
    gc.collect()
    gc.freeze()  # the pages of what is there stay shared with the forks
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the keepers
    while True:
        message, handles, _, _ = socket.recv_fds(control, 10, 4)
        if not message:
            return
        if os.fork() == 0:
            try:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                control.close()
                keep(*handles, changed)
            finally:
                os._exit(1)
        for handle in handles:
            os.close(handle)


def import_everything() -> None:
    """What tools import sooner or later."""
    import importlib
    import pkgutil

    import mmssl_video

    mmssl_video.register()
    import mmengine.runner
    import mmengine.visualization  # noqa: F401

    import mmssl_video.apis
    from mmssl_video import commands

    for module in pkgutil.iter_modules(commands.__path__, 'mmssl_video.commands.'):
        importlib.import_module(module.name)


def keep(request: int, stdout: int, stderr: int, status: int, changed: dict) -> None:
    """Start the program, wait for it and report its end."""
    pid = os.fork()
    if pid == 0:
        os.close(status)
        with os.fdopen(request) as file:
            asked = json.load(file)
        os.dup2(stdout, 1)
        os.dup2(stderr, 2)
        os.close(stdout)
        os.close(stderr)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.chdir(asked['cwd'])
        os.environ.clear()
        os.environ.update({**changed, **asked['env']})
        leave(asked['arguments'])
    os.write(status, str(pid).encode())
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    with contextlib.suppress(BrokenPipeError):  # nobody waits any more
        os.write(status, json.dumps(dict(code=code, cpu=used.ru_utime + used.ru_stime)).encode())


def leave(arguments: list[str]) -> None:
    """Run a program and end the process as an interpreter does; never returns."""
    import numpy as np

    random.seed()  # a fork has the state of the server: every run would draw the same
    np.random.seed()
    code = 0
    try:
        run_program(arguments)
    except SystemExit as error:
        code = error.code
        if code is None:
            code = 0
        elif not isinstance(code, int):
            print(code, file=sys.stderr)
            code = 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code & 0xFF)


def run_program(arguments: list[str]) -> None:
    """What ``python arguments...`` does."""
    while arguments[0] == '-W':
        warnings.simplefilter(arguments[1])
        arguments = arguments[2:]
    paths = [path for path in os.environ.get('PYTHONPATH', '').split(os.pathsep) if path]
    sys.path[:] = paths + [path for path in sys.path[1:] if path not in (*paths, str(TESTS))]
    first, *rest = arguments
    if first == '-c':
        sys.argv = ['-c', *rest[1:]]
        sys.path.insert(0, '')
        program = types.ModuleType('__main__')
        sys.modules['__main__'] = program
        exec(compile(rest[0], '<string>', 'exec'), program.__dict__)  # noqa: S102  as python -c
    elif first == '-m':
        sys.argv = ['-m', *rest[1:]]
        sys.path.insert(0, os.getcwd())
        runpy.run_module(rest[0], run_name='__main__', alter_sys=True)
    else:
        sys.argv = [first, *rest]
        sys.path.insert(0, os.path.dirname(os.path.realpath(first)))
        runpy.run_path(first, run_name='__main__')


if __name__ == '__main__':
    # as the module that tests import, so that a program's `__main__` is not this one
    from helpers.fork_server import serve as serve_requests

    with socket.socket(fileno=int(sys.argv[1])) as connection:
        serve_requests(connection)
