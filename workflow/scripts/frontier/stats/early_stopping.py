"""MLPerf's early stopping: the conclusions about a percentile that a number of queries allows.

Source: MLCommons, "MLPerf Inference Rules", appendix "Early Stopping Criterion". If more than the
share 1 - p of all queries took longer than a limit, then at most t of n would do so with the
probability P[Binomial(n, 1 - p) <= t]. Where that is at most 1 - CONFIDENCE, the percentile p is
known to be within the limit. Queries count as independent.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from math import exp, fsum, lgamma, log, log1p

CONFIDENCE = 0.99


@cache
def required(over: int, percentile: float) -> int:
    """The fewest queries of which `over` may exceed a limit: 459 of p99 for none, 662 for one.

    `percentile` in percent, such as 99. Raises ValueError outside their range.
    """
    if not 0 < percentile < 100 or over < 0:
        raise ValueError(f"no number of queries for p{percentile:g} and {over} over the limit")
    low, high = over, over + 1  # too few, and enough once this is known
    while not _enough(high, over, percentile):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if _enough(middle, over, percentile):
            high = middle
        else:
            low = middle
    return high


def _enough(queries: int, over: int, percentile: float) -> bool:
    """True if so many over the limit are too few for the percentile to be over it."""
    return at_most(over, queries, 1 - percentile / 100) <= 1 - CONFIDENCE


def at_most(successes: int, trials: int, chance: float) -> float:
    """P[Binomial(trials, chance) <= successes], for a chance between 0 and 1.

    Measuring needs it, in environments of engines that have no scipy.
    """
    ways = lgamma(trials + 1)
    for_one, for_none = log(chance), log1p(-chance)
    return fsum(
        exp(ways - lgamma(k + 1) - lgamma(trials - k + 1) + k * for_one + (trials - k) * for_none)
        for k in range(min(successes, trials) + 1)
    )


def most_over(queries: int, percentile: float) -> int | None:
    """The most queries that may exceed a limit; None if so few show nothing, even without any."""
    if not _enough(queries, 0, percentile):
        return None
    low, high = 0, queries
    while high - low > 1:
        middle = (low + high) // 2
        if _enough(queries, middle, percentile):
            low = middle
        else:
            high = middle
    return low


def holds(over: int, queries: int, percentile: float) -> bool | None:
    """Whether a percentile is known to be within a limit that `over` queries exceeded.

    None if there are too few queries to know it of any limit.
    """
    most = most_over(queries, percentile)
    return None if most is None else over <= most


def estimate(values: Sequence[float], percentile: float) -> float | None:
    """The smallest of the values that the percentile is known not to exceed.

    It is the t-th largest, t the number that may exceed a limit, but at least 1; None if the values
    are too few: fewer than 11 for p50, 64 for p90, 662 for p99.
    """
    most = most_over(len(values), percentile)
    return sorted(values)[-most] if most else None
