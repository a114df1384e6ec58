"""Gate: neither heat nor a power limit slowed the hardware, and its clock stayed."""

from __future__ import annotations

from frontier.errors import Reason
from frontier.gates import Gate, Timing
from frontier.results.session import Conditions

SLOWER = 0.9
"""The share of the first clock that is left at the end; drivers change it by less at will."""


class Throttling(Gate):
    """Fails if the hardware was slowed longer than the device's `max_slowed`.

    A session that could not read it is not judged by it: measurement.json says why.
    """

    ORDER = 25

    def reason(self, timing: Timing) -> Reason | None:
        """The first session's in which it was."""
        found = (_fault(one.loaded.conditions, timing) for one in timing.asking())
        return next(filter(None, found), None)


def _fault(seen: Conditions | None, timing: Timing) -> Reason | None:
    if seen is None or timing.max_slowed >= 1:
        return None
    share = (seen.throttled or 0) / max(seen.intervals, 1)
    if share > timing.max_slowed:
        by = ", ".join(seen.throttled_by) or "unknown"
        return f"throttling: the hardware was slowed in {share:.0%} of the time ({by})"
    first, last = seen.clock_mhz or (0.0, 0.0)
    if last < SLOWER * first:
        return f"throttling: the clock fell from {first:.0f} to {last:.0f} MHz"
    return None
