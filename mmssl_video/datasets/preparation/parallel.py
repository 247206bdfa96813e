"""Jobs in worker processes of which none is lost: a crash or a hang is laid to its job."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import wait
from typing import Any, NamedTuple


class Failure(NamedTuple):
    """What came of a job whose process died or took too long."""

    reason: str


def run_jobs(
    function: Callable[[Any], Any], jobs: Sequence, workers: int, timeout: float
) -> Iterator[tuple[int, Any]]:
    """Call ``function`` on every job, each in some worker process.

    ``concurrent.futures`` would not do: when one of its processes dies, the whole pool is broken
    and nobody knows by which job. Here every process holds one job at a time; one that dies (a
    decoder that crashes) or takes longer than ``timeout`` is replaced.

    Args:
        function: Of one job; module-level, results must pickle.
        jobs: What it is called with.
        workers: Number of processes.
        timeout: Seconds a job may take.

    Yields:
        ``(index of the job, its result or a Failure)``, in the order in which they end.

    Raises:
        RuntimeError: ``function`` raised; the traceback is that of the cause.
    """
    # Processes that start by a fork need no imports, so that replacing a dead one is cheap.
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context('fork' if 'fork' in methods else None)
    todo = iter(range(len(jobs)))
    idle: list = [_Worker(context, function) for _ in range(min(workers, len(jobs)))]
    busy: dict = {}
    try:
        while True:
            while idle:
                index = next(todo, None)
                if index is None:
                    break
                worker = idle.pop()
                worker.start(index, jobs[index], timeout)
                busy[worker.pipe] = worker
            if not busy:
                return
            soonest = min(worker.deadline for worker in busy.values())
            ready: list = wait(list(busy), max(soonest - time.monotonic(), 0) + 0.01)
            for pipe in ready:
                worker = busy.pop(pipe)
                try:
                    problem, result = pipe.recv()
                except (EOFError, OSError):
                    result = Failure(_how_it_died(worker.end(grace=1)))
                    idle.append(_Worker(context, function))
                else:
                    idle.append(worker)
                    if problem:
                        last = problem.strip().split('\n')[-1].removeprefix('RuntimeError: ')
                        raise RuntimeError(last) from RuntimeError(f'in a worker:\n{problem}')
                yield worker.index, result
            for pipe, worker in list(busy.items()):
                if time.monotonic() > worker.deadline and not pipe.poll():
                    del busy[pipe]
                    worker.end()
                    idle.append(_Worker(context, function))
                    yield worker.index, Failure(f'took longer than {timeout:g} s')
    finally:
        for worker in [*idle, *busy.values()]:
            worker.end()


class _Worker:
    """One process and the pipe to it."""

    def __init__(self, context, function) -> None:
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(
            target=_serve, args=(theirs, function, os.getpid()), daemon=True
        )
        self.process.start()
        theirs.close()  # else its death would not close the pipe

    def start(self, index: int, job, timeout: float) -> None:
        self.index, self.deadline = index, time.monotonic() + timeout
        self.pipe.send(job)

    def end(self, grace: float = 0) -> int:
        """Kill the process, if it does not end within ``grace`` seconds; returns its exit code."""
        self.process.join(grace)
        self.process.kill()
        self.process.join()
        self.pipe.close()
        return self.process.exitcode


def _serve(pipe, function, parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    while True:
        # workers hold copies of one another's pipes: a dead parent shows in getppid() only
        while not pipe.poll(1):
            if os.getppid() != parent:
                return
        try:
            job = pipe.recv()
        except EOFError:
            return
        try:
            answer = ('', function(job))
        except Exception:
            answer = (traceback.format_exc(), None)
        pipe.send(answer)


def _how_it_died(code: int) -> str:
    try:
        name = signal.Signals(-code).name
    except ValueError:
        return f'ended the process that read it (exit code {code})'
    hint = ', perhaps for want of memory' if name == 'SIGKILL' else ''
    return f'crashed the process that read it ({name}{hint})'
