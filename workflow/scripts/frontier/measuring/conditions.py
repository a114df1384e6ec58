"""The machine's conditions while requests are timed: read now and then, between requests."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from itertools import pairwise

from frontier.machine import conditions
from frontier.machine.conditions import Reading
from frontier.results.session import Conditions

EVERY_S = 5.0  # reading a file for each core may take as long as a request
SHARE = 0.01
"""Share of an interval; hardware that was slowed for longer slowed the interval."""
SWAPPING = 1 << 20
"""Bytes a second; beyond it, requests wait for the swap."""
FEWEST = 9
"""Readings that show a change of the clock: three in each third."""
Timed = tuple[float, Reading]
"""The seconds at which a reading was taken, and the reading."""


class Log:
    """The readings since it was created."""

    def __init__(self, accelerator: str, read: Callable[[str], Reading] = conditions.read) -> None:
        """Reads nothing yet. An endpoint's machine (`remote`) is unknown."""
        self._accelerator, self._read = accelerator, read
        self._readings: list[Timed] = []

    def look(self, clock_s: float) -> None:
        """Takes a reading, unless the last one was only just taken."""
        if not self._readings or clock_s - self._readings[-1][0] >= EVERY_S:
            self._add(clock_s)

    def _add(self, clock_s: float) -> None:
        if self._accelerator != "remote":
            self._readings.append((clock_s, self._read(self._accelerator)))

    def summary(self, clock_s: float) -> Conditions | None:
        """The conditions from the first reading until now; None at an endpoint."""
        self._add(clock_s)
        return summary(self._readings)


def summary(readings: Sequence[Timed]) -> Conditions | None:
    """The conditions in the intervals between readings; None without readings."""
    if not readings:
        return None
    first, last = readings[0][1], readings[-1][1]
    each = [one for _, one in readings]
    by = {name for one in each for name in one.slowed_by}
    intervals = list(pairwise(readings))
    by |= {name for pair in intervals for name in _grown(*pair)}
    known = all(one.slowed is not None for one in each)
    swaps = [_swapped(*pair) for pair in intervals]
    moved = [one for one in swaps if one is not None]
    changed = {
        name: value
        for one in each
        for name, value in one.power.items()
        if value != first.power.get(name, value)
    }
    return Conditions(
        intervals=len(intervals),
        throttled=sum(_slowed(*pair) for pair in intervals) if known else None,
        throttled_by=tuple(sorted(by)),
        swapped=sum(rate > SWAPPING for rate in moved) if len(moved) == len(swaps) else None,
        swapped_bytes=_difference(first.swapped_bytes, last.swapped_bytes),
        clock_mhz=_clocks(each),
        power=first.power,
        changed=changed,
        unknown=first.unknown | last.unknown,
    )


def _grown(before: Timed, after: Timed) -> list[str]:
    """The counters by which the hardware was slowed between two readings."""
    (began_s, one), (ended_s, other) = before, after
    least_ms = SHARE * (ended_s - began_s) * 1000
    return [
        name
        for name, value in (other.slowed or {}).items()
        if value - (one.slowed or {}).get(name, value) > (least_ms if name.endswith("_ms") else 0)
    ]


def _slowed(before: Timed, after: Timed) -> bool:
    return bool(after[1].slowed_by or _grown(before, after))


def _swapped(before: Timed, after: Timed) -> float | None:
    """Bytes a second that moved to and from the swap between two readings."""
    moved = _difference(before[1].swapped_bytes, after[1].swapped_bytes)
    seconds = after[0] - before[0]
    return None if moved is None else moved / max(seconds, 1.0)


def _difference(before: int | None, after: int | None) -> int | None:
    return None if before is None or after is None else max(after - before, 0)


def _clocks(readings: Sequence[Reading]) -> tuple[float, float] | None:
    """The median clock of the first third and of the last; None if too few say it."""
    clocks = [one.clock_mhz for one in readings if one.clock_mhz is not None]
    third = len(clocks) // 3
    if len(clocks) < FEWEST:
        return None
    return statistics.median(clocks[:third]), statistics.median(clocks[-third:])
