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
import weakref
from contextlib import suppress

from frontier import words

PLAIN_S, LIVE_S = 2.0, 1.0
"""Between two lines, and between two states of the live one."""
START, CLEAR = "\r", "\x1b[K"
"""To the start of the line; from there to its end, nothing."""


class LiveLine:
    """A line of the terminal that is written over again, by one process at a time."""

    def __init__(self, terminal: int) -> None:
        """`terminal`: its descriptor, locked."""
        self._terminal, self._open = terminal, False

    def write(self, line: str) -> None:
        """Writes over the line."""
        width = shutil.get_terminal_size().columns - 1
        print(f"{START}{line[:width]}{CLEAR}", end="", file=sys.stderr, flush=True)
        self._open = True

    def end(self) -> None:
        """Ends the line, and leaves the terminal to others."""
        if self._open:
            print(file=sys.stderr, flush=True)
        with suppress(OSError):  # explicitly: a child process may have inherited the lock
            fcntl.flock(self._terminal, fcntl.LOCK_UN)
        os.close(self._terminal)


def live_line() -> LiveLine | None:
    """The line of the terminal that stderr writes to; None without a terminal.

    None too while another process has one there: two over one another are not readable.
    """
    try:
        name = os.ttyname(sys.stderr.fileno())
        # Not as the controlling terminal, which a process without one would get by opening it.
        terminal = os.open(name, os.O_RDONLY | os.O_NOCTTY)
    except (OSError, ValueError, AttributeError):
        return None
    try:
        fcntl.flock(terminal, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(terminal)
        return None
    except OSError:  # a system that locks no terminals
        pass
    return LiveLine(terminal)


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
        self.times: dict[str, list[float]] = {}
        """Those of the steps so far, by name."""
        self._live = live_line()
        self._end = weakref.finalize(self, self._live.end) if self._live else None

    def step(self, note: str = "", **seconds: float | None) -> None:
        """Counts a step; shows it if the last one shown is old enough, and at the end.

        `seconds`: times of the step, by name, whose medians are shown; None if it has none.
        """
        self.done += 1
        for name, one in seconds.items():
            if one is not None:
                self.times.setdefault(name, []).append(one)
        now = time.monotonic()
        every = LIVE_S if self._live else PLAIN_S
        if now - self.last >= every or self.done >= self.total:
            self.last = now
            self._show(line(self, now, note))

    def _show(self, line: str) -> None:
        """Writes a line: over the last one on a terminal of ours, below it elsewhere."""
        if self._live is None:  # another process may have a live line on the same terminal
            over = f"{START}{CLEAR}" if sys.stderr.isatty() else ""
            print(f"{over}{line}", file=sys.stderr, flush=True)
            return
        self._live.write(line)
        if self.done >= self.total and self._end:
            self._end()
            self._live = None


def line(shown: Progress, now: float, note: str = "") -> str:
    """The state of a progress as a line."""
    left = (now - shown.start) / (shown.done - shown.before) * (shown.total - shown.done)
    medians = [
        f"median {name.upper()} {words.seconds(statistics.median(each))}"
        for name, each in shown.times.items()
    ]
    parts = f"{shown.done}/{shown.total} {shown.unit}", *medians, f"{remaining(left)} left"
    return f"{shown.label}: {', '.join(parts)} {note}".rstrip()
