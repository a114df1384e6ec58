"""Progress: the task, the steps done, medians so far, the time left.

On a terminal a line that is written over again, else a plain line every few seconds.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import statistics
import sys
import time
from contextlib import suppress

from frontier import words

PLAIN_S, LIVE_S = 2.0, 1.0
"""Between two lines, and between two states of the live one."""
START, CLEAR = "\r", "\x1b[K"
"""To the start of the line; from there to its end, nothing."""


def terminal() -> int | None:
    """A descriptor of the terminal that stderr writes to, locked by it; None without a terminal.

    None too while another process has the lock: two that write over one line make none readable.
    """
    try:
        name = os.ttyname(sys.stderr.fileno())
        # Not as the controlling terminal, which a process without one would get by opening it.
        found = os.open(name, os.O_RDONLY | os.O_NOCTTY)
    except (OSError, ValueError, AttributeError):
        return None
    try:
        fcntl.flock(found, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(found)
        return None
    except OSError:  # a system that locks no terminals
        return found
    return found


def remaining(seconds: float) -> str:
    """A time to wait: 40 s, 12 min, 3.5 h."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


class Progress:
    """Counts steps of a known total, and shows them on stderr."""

    def __init__(self, label: str, total: int, unit: str, done: int = 0) -> None:
        """`done` of the `total` steps were finished earlier and do not count for the speed."""
        self.label, self.total, self.unit = label, total, unit
        self.before = self.done = done
        self.start = self.last = time.monotonic()
        self._times: dict[str, list[float]] = {}
        self._terminal = terminal()

    def step(self, note: str = "", **seconds: float | None) -> None:
        """Counts a step; shows it if the last one shown is old enough, and at the end.

        `seconds`: times of the step, by name, whose medians are shown; None if it has none.
        """
        self.done += 1
        for name, one in seconds.items():
            if one is not None:
                self._times.setdefault(name, []).append(one)
        now = time.monotonic()
        every = LIVE_S if self._terminal is not None else PLAIN_S
        if now - self.last >= every or self.done >= self.total:
            self.last = now
            self._show(self.line(now, note))

    def line(self, now: float, note: str = "") -> str:
        """The state as a line."""
        left = (now - self.start) / (self.done - self.before) * (self.total - self.done)
        medians = [
            f"median {name.upper()} {words.seconds(statistics.median(each))}"
            for name, each in self._times.items()
        ]
        parts = f"{self.done}/{self.total} {self.unit}", *medians, f"{remaining(left)} left"
        return f"{self.label}: {', '.join(parts)} {note}".rstrip()

    def _show(self, line: str) -> None:
        """Writes a line: over the last one on a terminal of ours, below it elsewhere."""
        ended = self.done >= self.total
        if self._terminal is None:  # another process may have a live line on the same terminal
            over = f"{START}{CLEAR}" if sys.stderr.isatty() else ""
            print(f"{over}{line}", file=sys.stderr, flush=True)
            return
        width = shutil.get_terminal_size().columns - 1
        end = "\n" if ended else ""
        print(f"{START}{line[:width]}{CLEAR}", end=end, file=sys.stderr, flush=True)
        if ended:
            with suppress(OSError):  # explicitly: a child process may have inherited it
                fcntl.flock(self._terminal, fcntl.LOCK_UN)
            os.close(self._terminal)
            self._terminal = None
