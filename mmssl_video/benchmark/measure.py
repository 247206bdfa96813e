"""Candidates for the same work, measured in turns, and the ratios of their times."""

from __future__ import annotations

import ctypes
import gc
import platform
import resource
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import cv2
import torch


@dataclass(frozen=True)
class Options:
    """What to measure.

    Args:
        repeats: Rounds of each comparison.
        config: Config whose training pipeline and model are measured.
        videos: Folder of videos for the pipeline; None: made in a temporary folder.
        checkpoint: Encoder of the section ``probe``, which is left out without one.
        clips: Most videos used in a round.
    """

    repeats: int = 7
    config: str = 'memdpc_ucf101'
    videos: str | None = None
    checkpoint: str | None = None
    clips: int = 24


@dataclass
class Result:
    """Measurements of some candidates for the same work.

    Attributes:
        title: what was done, with sizes.
        values: candidate -> one value for each round; the first candidate is the reference.
        unit: unit of the values, ``'ms'``, ``'s'``, ``'MB'``, ``'clips/s'``…
        want: what the ratio to the reference should be, in words; '' when nothing is asked.
    """

    title: str
    values: dict[str, list[float]]
    unit: str
    want: str = ''

    def ratios(self, name: str) -> list[float]:
        reference = next(iter(self.values.values()))
        return [value / base for value, base in zip(self.values[name], reference)]

    def table(self) -> str:
        lines = [self.title]
        width = max(map(len, self.values))
        lines.append(
            f'  {"":{width}}  {self.unit + ", median (min-max)":>28}  '
            f'{"times the first (min-max)":>26}'
        )
        for name, values in self.values.items():
            lines.append(f'  {name:{width}}  {spread(values):>28}  {spread(self.ratios(name)):>26}')
        if self.want:
            lines.append(f'  wanted: {self.want}')
        return '\n'.join(lines)

    def to_json(self) -> dict:
        return dict(
            title=self.title,
            unit=self.unit,
            want=self.want,
            candidates={
                name: dict(
                    values=values,
                    median=statistics.median(values),
                    ratio=statistics.median(self.ratios(name)),
                )
                for name, values in self.values.items()
            },
        )


def spread(values: list[float]) -> str:
    return f'{statistics.median(values):.3g} ({min(values):.3g}-{max(values):.3g})'


def in_turns(
    candidates: dict[str, Callable[[], object]],
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Seconds of each candidate, once a round in turns, after one call each that does not count.

    ``clock=time.thread_time`` (CPU time) for work in one thread: a busy machine disturbs it less.
    """
    for function in candidates.values():
        function()
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, function in candidates.items():
            start = clock()
            function()
            seconds[name].append(clock() - start)
    return seconds


def peak_memory(function: Callable[[], object]) -> float:
    """Peak of the resident memory during a call above that before it, in MB (Linux)."""

    def status(key):
        line = next(
            line
            for line in Path('/proc/self/status').read_text().splitlines()
            if line.startswith(key)
        )
        return int(line.split()[1]) / 1024

    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # memory freed before must not serve this call unseen
    Path('/proc/self/clear_refs').write_text('5')  # resets the peak
    before = status('VmRSS')
    function()
    return status('VmHWM') - before


def cpu_of_children() -> float:
    """CPU seconds of all processes that were started from here and have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def one_thread(worker_id: int = 0) -> None:
    """As a training worker: no threads inside OpenCV and torch."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def processor() -> str:
    """Model name of the processor, as far as the system tells."""
    cpuinfo = Path('/proc/cpuinfo')
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith('model name'):
                return line.split(':', 1)[1].strip()
    return platform.processor() or 'unknown'
