"""The wait for sockets, and the times at which bytes arrived, as far as they can be known.

Bytes are read after they arrive. The kernel's time, where it gives one, is that of the last bytes
of a read: a client that was not scheduled meanwhile reads many chunks at once. So each read also
has a bound, back to the time at which its socket was empty; or, if the system says how long the
process was kept waiting, to the time at which it should have woken up.
"""

from __future__ import annotations

import select
import selectors
import time
from array import array

from frontier.client.scheduling import UNDISTURBED_NS, RunDelay, realtime_offset_ns

BEAT_NS = 10_000_000
"""Longest wait: a process whose timer is late was late for bytes, too."""
CLOSE_BEAT_NS = 250_000
"""Longest wait where only the last time at which a socket was empty is known."""
UNEXPLAINED_NS = 300_000
"""A process may wake up this much later than the system says, on a virtual machine above all."""


SET_NS = 100_000
"""A larger step of CLOCK_REALTIME is no measuring error."""


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
        self._slept = False
        self._offset_ns = realtime_offset_ns()
        self._set = False
        """Whether CLOCK_REALTIME was set during the last wait."""

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
        self._slept = self._woke_ns - now > UNDISTURBED_NS
        events = self.selector.select(0)
        overdue_ns = max(0, self._woke_ns - until_ns)
        if until_ns > now and not events:
            self.timers.append(overdue_ns)
        self._kept_ns = max(overdue_ns, self._delay.since_last_ns() if self._delay.known else 0)
        before, self._offset_ns = self._offset_ns, realtime_offset_ns()
        self._set = abs(self._offset_ns - before) > SET_NS
        return events

    def _sleep(self, seconds: float) -> None:
        if isinstance(self.selector, getattr(selectors, "EpollSelector", ())):
            # Its own timeout is in whole milliseconds.
            select.select([self.selector], [], [], seconds)
        else:
            self.selector.select(seconds)

    def arrival(
        self, read_ns: int, stamp_ns: int | None, alone: bool, empty_ns: int
    ) -> tuple[int, int]:
        """The time at which bytes arrived that were read at `read_ns`, and how much earlier it may
        have been for the first of them.

        Their socket was empty at `empty_ns`. `stamp_ns`: the kernel's time of the last of them, in
        nanoseconds of CLOCK_REALTIME; `alone`: it is that of all.
        """
        arrived_ns = read_ns if stamp_ns is None else stamp_ns - self._offset_ns
        if arrived_ns > read_ns or self._set:
            arrived_ns = read_ns
        elif alone:
            return arrived_ns, 0
        looked_ns = max(self._previous_ns, empty_ns)
        if arrived_ns < looked_ns:  # the kernel was late: it had the bytes, the socket had not
            return arrived_ns, max(0, arrived_ns - empty_ns)
        should_ns = self._woke_ns - self._kept_ns
        explained = self._delay.known and should_ns - arrived_ns <= UNEXPLAINED_NS
        if not explained or not self._slept:  # bytes may have come while others were read
            should_ns = looked_ns
        return arrived_ns, max(0, arrived_ns - max(should_ns, looked_ns))

    def close(self) -> None:
        """Closes the selector."""
        self.selector.close()
        self._delay.close()
