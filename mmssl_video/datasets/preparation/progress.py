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
        self.done = self.bad = 0
        self.terminal = sys.stderr.isatty()
        self.start = self.shown = time.monotonic()

    def step(self, bad: bool) -> None:
        """Count one more."""
        self.done += 1
        self.bad += bad
        now = time.monotonic()
        if self.show and (now - self.shown > (0.2 if self.terminal else 30)
                          or self.done == self.total):
            self.shown = now
            rate = self.done / max(now - self.start, 1e-9)
            line = (f'{self.done:,}/{self.total:,} {self.what}, {rate:.1f}/s, '
                    f'{duration((self.total - self.done) / rate)} left, {self.bad} bad')
            end = '\n' if not self.terminal or self.done == self.total else ''
            print(f'\r{line:<78}' if self.terminal else line, end=end, file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """``3 h 05 min``, ``4 min 10 s`` or ``12 s``."""
    seconds = round(seconds)
    if seconds >= 3600:
        return f'{seconds // 3600} h {seconds % 3600 // 60:02d} min'
    if seconds >= 60:
        return f'{seconds // 60} min {seconds % 60:02d} s'
    return f'{seconds} s'
