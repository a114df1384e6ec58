"""Detection of pauses of this process: stopped by a signal, frozen with its container, suspended.

Clocks continue meanwhile, so the current request looks slow. Nothing is done per token: a signal
reports most stops, and a thread that wakes up twenty times a second detects the others.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from typing import Self

BEAT_S = 0.05
LEAST_S = 1.0
"""A shorter pause may just be a busy processor."""
SECOND = 1_000_000_000


def suspended_s() -> float:
    """Seconds that this machine was suspended since it started, if the system reports them."""
    if hasattr(time, "CLOCK_BOOTTIME"):  # Linux
        return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)
    if hasattr(time, "CLOCK_UPTIME_RAW"):  # macOS
        return time.clock_gettime(time.CLOCK_MONOTONIC) - time.clock_gettime(time.CLOCK_UPTIME_RAW)
    return 0.0


class Pauses:
    """The pauses of this process since this object was created, before any other thread."""

    def __init__(
        self,
        clock_ns: Callable[[], int] = time.perf_counter_ns,
        processor_s: Callable[[], float] = time.process_time,
        suspended: Callable[[], float] = suspended_s,
    ) -> None:
        """Takes the clocks to read: the requests' own, and this process's processor time."""
        self._clock_ns, self._processor_s, self._suspended_s = clock_ns, processor_s, suspended
        self._found: list[tuple[int, int]] = []
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._beater: threading.Thread | None = None
        self._last = self._now()
        self._asked_ns = self._last[0]
        # Blocked, the signal is pending from the moment at which the process continues, whichever
        # thread runs first; a handler would run a little later, after the end of a request.
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCONT})

    def _now(self) -> tuple[int, float, float]:
        return self._clock_ns(), self._processor_s(), self._suspended_s()

    def __enter__(self) -> Self:
        """Returns itself: watching starts on creation."""
        return self

    def __exit__(self, *_raised: object) -> None:
        """Ends the thread and unblocks the signal."""
        self._ended.set()
        if self._beater:
            self._beater.join()
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)

    def beat(self) -> None:
        """Starts a thread that checks regularly, unless there is one."""
        if self._beater:
            return
        self._last = self._now()
        self._beater = threading.Thread(target=self._beat, daemon=True)
        self._beater.start()

    def _beat(self) -> None:
        while not self._ended.wait(BEAT_S):
            self.look()

    def look(self) -> None:
        """Records a pause if nothing of this process has run since the last check.

        A thread that wakes up late because others of this process compute, or hold Python's lock,
        is not a pause: processor time passes meanwhile.
        """
        with self._lock:
            (then, used, asleep), self._last = self._last, self._now()
            now, used_now, asleep_now = self._last
            passed_s = (now - then) / SECOND
            still = passed_s > LEAST_S and used_now - used < passed_s / 2
            if still or asleep_now - asleep > LEAST_S:
                self._found.append((then, now))

    def during(self, start_ns: int, end_ns: int) -> bool:
        """True if there was a pause between these two times of the requests' clock."""
        if signal.SIGCONT in signal.sigpending():
            signal.sigwait({signal.SIGCONT})
            self._found.append((self._asked_ns, self._clock_ns()))
        if self._beater:
            self.look()  # the thread may not have woken up yet
        found = any(start <= end_ns and end >= start_ns for start, end in self._found)
        self._asked_ns = self._clock_ns()
        return found
