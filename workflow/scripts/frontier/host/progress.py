"""Progress as plain lines: the task, the steps done, the time left."""

from __future__ import annotations

import sys
import time


class Progress:
    """Counts steps of a known total; writes a line to stderr every few seconds."""

    def __init__(self, label: str, total: int, unit: str, done: int = 0) -> None:
        """`done` of the `total` steps were finished earlier and do not count for the speed."""
        self.label, self.total, self.unit = label, total, unit
        self.before = self.done = done
        self.start = self.last = time.monotonic()

    def step(self, note: str = "", every: float = 2.0) -> None:
        """Counts a step; prints if the last line is `every` seconds old, and at the end."""
        self.done += 1
        now = time.monotonic()
        if now - self.last < every and self.done < self.total:
            return
        self.last = now
        left = (now - self.start) / (self.done - self.before) * (self.total - self.done)
        line = f"{self.label}: {self.done}/{self.total} {self.unit}, {left:.0f} s left {note}"
        print(line.rstrip(), file=sys.stderr, flush=True)
