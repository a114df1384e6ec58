"""The wait for sockets, and how long bytes may have waited for the client.

Bytes are read after they arrive, and how long after is what a client cannot see: a client that was
not scheduled reads many chunks at once. Each read gets an upper bound: the time since its socket
was empty, or, if the system can say how long the process was kept waiting, that and the time since
it woke up, and not less than what the kernel's own time of the last bytes shows.
"""

from __future__ import annotations

import select
import selectors
import time
from array import array

from frontier.client.scheduling import RunDelay, realtime_offset_ns

BEAT_NS = 5_000_000
"""Longest wait: a process whose timer is late was late for bytes, too."""
CLOSE_BEAT_NS = 500_000
"""Longest wait where only the last time at which a socket was empty is known."""


class Waiting:
    """Waits for sockets, with the facts that bound the lateness of the reads that follow."""

    def __init__(self) -> None:
        """Opens a selector."""
        self.selector = selectors.DefaultSelector()
        self._delay = RunDelay()
        self.beat_ns = BEAT_NS if self._delay.known else CLOSE_BEAT_NS
        self.timers = array("q")
        """The lateness of each timer, in nanoseconds."""
        self._woke_ns = self._previous_ns = time.perf_counter_ns()
        self._kept_ns = 0
        self._offset_ns = 0

    @property
    def delay_known(self) -> bool:
        """Whether the system says how long this process was kept waiting."""
        return self._delay.known

    def until(self, until_ns: int) -> list[tuple[selectors.SelectorKey, int]]:
        """Waits for an event or a time, at most a beat; returns the events."""
        now = time.perf_counter_ns()
        until_ns = max(now, min(until_ns, now + self.beat_ns))
        if until_ns > now:
            self._sleep((until_ns - now) / 1e9)
        # In this order: a socket that is not among the events was empty when this woke up.
        self._previous_ns, self._woke_ns = self._woke_ns, time.perf_counter_ns()
        events = self.selector.select(0)
        overdue_ns = max(0, self._woke_ns - until_ns)
        if until_ns > now and not events:
            self.timers.append(overdue_ns)
        self._kept_ns = max(overdue_ns, self._delay.since_last_ns() if self._delay.known else 0)
        self._offset_ns = realtime_offset_ns()
        return events

    def _sleep(self, seconds: float) -> None:
        if isinstance(self.selector, getattr(selectors, "EpollSelector", ())):
            # Its own timeout is in whole milliseconds.
            select.select([self.selector], [], [], seconds)
        else:
            self.selector.select(seconds)

    def late_ns(self, read_ns: int, stamp_ns: int | None, empty_ns: int) -> int:
        """The bound for bytes read at `read_ns` from a socket that was empty at `empty_ns`.

        `stamp_ns`: the kernel's time of the last of them, in nanoseconds of CLOCK_REALTIME.
        """
        since_empty = read_ns - max(self._previous_ns, empty_ns)
        if not self._delay.known:
            return since_empty
        waited = read_ns - self._woke_ns + self._kept_ns
        if stamp_ns is not None:
            waited = max(waited, read_ns - (stamp_ns - self._offset_ns))
        return max(0, min(waited, since_empty))

    def close(self) -> None:
        """Closes the selector."""
        self.selector.close()
        self._delay.close()
