"""The search for the highest rate of arrivals at which the limits hold.

The next rate follows from those that were tried, so that an interrupted search can continue.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from frontier.catalogue.loads import Rates

GROWTH = 1.25
"""The next rate over the highest one, while the limits hold at all of them."""
CLOSE = 1.02
"""The ratio of two rates between which none is tried."""
DIGITS = 4


class Tried(NamedTuple):
    """The result of a rate."""

    rate: float
    """Arrivals per second."""
    holds: bool | None
    """Whether the limits hold; None if that is not known."""
    stopped: bool
    """Whether the queue grew without end."""


def next_rate(tried: Sequence[Tried], at_once: float, rates: Rates) -> float | None:
    """The next rate to try, in arrivals per second; None if there is none.

    First the shares of the rate `at_once`, at which all requests at once are answered, but none
    above a rate that was stopped. Then between the highest rate that holds and the lowest one above
    it that does not, or beyond the ends of those that were tried.
    """
    swept = dict.fromkeys(_rounded(share * at_once) for share in rates.shares)
    known = {one.rate for one in tried}
    ceiling = min((one.rate for one in tried if one.stopped), default=None)
    for rate in swept:
        if rate not in known and (ceiling is None or rate < ceiling):
            return rate
    if len(known - swept.keys()) >= rates.searched:
        return None
    found = _between(tried)
    return None if found is None or found in known else found


def bracket(tried: Sequence[Tried]) -> tuple[float | None, float | None]:
    """The highest rate that holds, and the lowest one above it that does not.

    That a rate holds is known with a confidence of 99 %; that another does not hold is only not
    known. So a rate that does not hold below one that does, because something disturbed it, counts
    for nothing.
    """
    holds = max((one.rate for one in tried if one.holds), default=None)
    above = (one.rate for one in tried if one.holds is False and one.rate > (holds or 0.0))
    return holds, min(above, default=None)


def _between(tried: Sequence[Tried]) -> float | None:
    holds, fails = bracket(tried)
    low, high = holds or 0.0, fails or max((one.rate for one in tried), default=0.0)
    if any(one.holds is None and low < one.rate <= high for one in tried):
        return None  # what is between cannot be known in the time that a rate has
    if fails is None:
        return None if holds is None else _rounded(holds * GROWTH)
    if holds is not None and fails / holds < CLOSE:
        return None
    return _rounded((low + fails) / 2)


def _rounded(rate: float) -> float:
    return float(f"{rate:.{DIGITS}g}")
