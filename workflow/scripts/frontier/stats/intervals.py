"""Estimates with their intervals: proportions and quantiles; those of totals are in jackknife.py.

Every interval is two-sided. A figure that the sample cannot give is None, never 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from frontier.stats.serial import FEWEST_WORTH, Floats, Serial

CONFIDENCE = 0.95
CLOSE = 1e-9  # of ranks


@dataclass(frozen=True)
class Estimate:
    """A figure, its interval and the interval's method; None where undefined."""

    value: float | None
    low: float | None
    high: float | None
    method: str


def percent(confidence: float) -> str:
    """A share as text: 95 %."""
    return f"{100 * confidence:g} %"


def wilson(successes: float, n: float, confidence: float = CONFIDENCE) -> Estimate:
    """A proportion with Wilson's score interval, without continuity correction.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
    JASA 22 (1927); Newcombe, Statistics in Medicine 17 (1998), method 3. It stays within [0, 1]
    and holds its coverage near 0 and 1, where the normal approximation fails.
    """
    method = f"Wilson score, {percent(confidence)}"
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n}")
    if n == 0:
        return Estimate(None, None, None, method)
    z2 = NormalDist().inv_cdf(0.5 + confidence / 2) ** 2
    p = successes / n
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = math.sqrt(z2 * (p * (1 - p) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    # At the edges centre and half are equal up to rounding.
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == n else centre + half
    return Estimate(p, low, high, method)


def below_rank(rank: ArrayLike, n: int, q: float, effective: float) -> Floats:
    """The probability that the q-quantile is below the order statistic of a rank (1 to n).

    P(B <= rank - 1) with B ~ Binomial(n, q), for any distribution. As the regularized incomplete
    beta function it is defined between ranks too; there the order statistic is interpolated.
    `effective`: the number of independent values that are as informative as the n values.
    """
    from scipy.special import betainc  # half a second, and planning reads the scorers

    place = np.asarray(rank, dtype=np.float64) * (effective + 1) / (n + 1)
    chance: Floats = betainc(effective + 1 - place, place, 1 - q)
    return chance


@cache
def quantile_ranks(
    n: int, q: float, confidence: float = CONFIDENCE, effective: float | None = None
) -> tuple[float, float] | None:
    """The ranks (from 1) of two order statistics that enclose the q-quantile; None if too few.

    The quantile is outside either end with a probability of alpha / 2. Source: Hahn & Meeker,
    "Statistical Intervals" (1991), section 5.2; between whole ranks Hutson, "Calculating
    nonparametric confidence intervals for quantiles using fractional order statistics", J. Appl.
    Stat. 26 (1999). For p99 at 95 % the upper rank exists from n = 368 on, for p90 from 36, for
    the median from 6. `effective` as in `below_rank`.
    """
    if not 0 < q < 1:
        raise ValueError(f"a quantile must be between 0 and 1, not {q}")
    if n < 1:
        return None
    tail, worth = (1 - confidence) / 2, effective or n
    ends = below_rank([1, n], n, q, worth)
    if ends[0] > tail or ends[1] < 1 - tail:
        return None
    low, high = (_rank(chance, n, q, worth) for chance in (tail, 1 - tail))
    return low, high


def _rank(chance: float, n: int, q: float, effective: float) -> float:
    """The rank below which the quantile lies with a given probability, by bisection."""
    low, high = 1.0, float(n)
    while high - low > CLOSE:
        middle = (low + high) / 2
        if below_rank(middle, n, q, effective) <= chance:
            low = middle
        else:
            high = middle
    return low


def quantile_interval(
    values: ArrayLike, q: float, confidence: float = CONFIDENCE, *, timed: Serial | None = None
) -> Estimate | None:
    """The q-quantile between two order statistics; None if there are too few values.

    The estimate interpolates linearly between neighbours, as numpy does by default (Hyndman & Fan,
    "Sample quantiles in statistical packages", 1996, type 7), in the values' unit. Values are
    independent, or times with the autocorrelation `timed`, by which the interval is widened.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    n = len(ordered)
    if quantile_ranks(n, q, confidence) is None:
        return None
    effective = independent(n, q, timed)
    note = "" if timed is None else f"; {timed.worth(effective, n)}"
    return between_ranks(ordered, q, confidence, effective, note)


def independent(n: int, q: float, timed: Serial | None) -> float:
    """The number of independent values as informative as n correlated ones."""
    return n if timed is None else n / timed.of_quantile(q)


def between_ranks(
    ordered: Floats, q: float, confidence: float, effective: float, note: str
) -> Estimate:
    """The q-quantile of sorted values, as informative as `effective` independent ones."""
    value, n = float(np.quantile(ordered, q)), len(ordered)
    known = effective >= FEWEST_WORTH
    ranks = quantile_ranks(n, q, confidence, effective) if known else None
    if ranks is None:
        return Estimate(value, None, None, f"no interval: too few{note}")
    low, high = np.interp(ranks, np.arange(1, n + 1), ordered)
    method = f"order statistics, binomial, {percent(confidence)}{note}"
    return Estimate(value, float(low), float(high), method)


def quantile_p(values: ArrayLike, q: float, null: float, *, timed: Serial | None = None) -> float:
    """Two-sided p-value that `null` is the q-quantile: the sign test, for the median.

    It is below alpha if the interval at confidence 1 - alpha excludes `null`: both are computed
    from ranks, between which the test's steps are interpolated. Source: Conover, "Practical
    Nonparametric Statistics" (1999), section 3.2.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    n = len(ordered)
    effective = independent(n, q, timed)
    # Of equal values the rank that is the weakest evidence against `null`.
    last = _place(ordered, null)
    first = n + 1 - _place(-ordered[::-1], -null)
    below = below_rank(last, n, q, effective)
    above = below_rank(n + 1 - first, n, 1 - q, effective)  # precise even if tiny
    return min(1.0, 2 * float(below), 2 * float(above))


def _place(ordered: Floats, value: float) -> float:
    """The rank of a value among others, interpolated between ranks; the last of equal ones."""
    n, up_to = len(ordered), int(np.searchsorted(ordered, value, side="right"))
    if up_to in (0, n):
        return float(max(1, up_to))
    below, above = ordered[up_to - 1 : up_to + 1]
    return float(up_to + (value - below) / (above - below))
