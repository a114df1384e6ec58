"""Gate: there are enough requests for the percentile that the device asks for."""

from __future__ import annotations

import math

from frontier.errors import Reason
from frontier.gates import Gate, Timing
from frontier.results.records import Record
from frontier.stats.intervals import CONFIDENCE


class TooFew(Gate):
    """Fails if the interval of the device's `percentile` needs more requests."""

    ORDER = 63
    ONE_SESSION = False

    def reason(self, timing: Timing) -> Reason | None:
        """The number of requests, and the number that it needs."""
        if timing.percentile is None or not timing.latencies:
            return None
        timed = sum(one.failure is None for one in timing.records)
        fewest = needed(timing.percentile)
        if timed >= fewest:
            return None
        return (
            f"too few: the interval of the {timing.percentile:g}th percentile needs {fewest} "
            f"requests, and there are {timed}"
        )

    def again(self, timing: Timing) -> list[Record]:
        """None: a larger sample is needed."""
        return []


def needed(percentile: float) -> int:
    """The fewest independent requests between whose order statistics a percentile is.

    All of n are below it with a probability of q^n, which must not exceed half of what the
    interval leaves out, and so on the other side. Source: Hahn & Meeker, "Statistical Intervals"
    (1991), section 5.2.
    """
    q = percentile / 100
    return math.ceil(math.log((1 - CONFIDENCE) / 2) / math.log(max(q, 1 - q)))
