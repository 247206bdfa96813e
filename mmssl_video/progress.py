"""One line about a long work: how much is done, how fast, how long still."""

from __future__ import annotations

import sys
import time


class Progress:
    """Shows a line that changes on a terminal, or one line every half minute in a log.

    Args:
        what: What is counted, in the plural.
        total: How many there are.
        show: Whether to show anything.
    """

    def __init__(self, what: str, total: int, show: bool = True) -> None:
        self.what, self.total, self.show = what, total, show
        self.done = self.worked = self.bad = 0
        self.terminal = sys.stderr.isatty()
        self.start = time.monotonic()
        self.shown = self.start - (0 if self.terminal else 25)  # a log's first line after 5 s

    def step(self, count: int = 1, bad: int = 0, there: int = 0, note: str = '') -> None:
        """Count some more.

        Args:
            count: How many.
            bad: How many of them cannot be used.
            there: How many of them were there already: they say nothing of the speed.
            note: What else the line should say.
        """
        self.done += count
        self.worked += count - there
        self.bad += bad
        now, last = time.monotonic(), self.done >= self.total
        if not self.show or not (last or now - self.shown > (0.2 if self.terminal else 30)):
            return
        self.shown = now
        rate = self.worked / max(now - self.start, 1e-9)
        parts = [
            f'{self.what}: {self.done}/{self.total}',
            f'{rate:.1f}/s' if rate >= 1 else f'{60 * rate:.1f}/min',
        ]
        if rate:
            parts.append(f'{duration((self.total - self.done) / rate)} left')
        if self.done > self.worked:
            parts.append(f'{self.done - self.worked} there already')
        line = ', '.join(parts + [f'{self.bad} bad'] * bool(self.bad) + [note] * bool(note))
        print(
            f'\r{line:<78}' if self.terminal else line,
            end='' if self.terminal and not last else '\n',
            file=sys.stderr,
            flush=True,
        )


def duration(seconds: float) -> str:
    """``3 h 05 min``, ``4 min 10 s`` or ``12 s``."""
    seconds = round(seconds)
    if seconds >= 3600:
        return f'{seconds // 3600} h {seconds % 3600 // 60:02d} min'
    if seconds >= 60:
        return f'{seconds // 60} min {seconds % 60:02d} s'
    return f'{seconds} s'
