"""The change of times in the course of a measurement: the first third against the last.

A test that the change exceeds a limit, not that there is one: with enough requests any is shown.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from frontier.stats.serial import (
    CLOCK_S,
    ROUNDING,
    STRONGEST,
    Floats,
    neighbours,
    normal_scores,
)

ALPHA = 0.01
"""The probability of a verdict if the change is just the limit, in one direction."""
FEWEST = 10
"""Requests in a third."""


def change(
    times: ArrayLike, sizes: Sequence[ArrayLike], most: float, begins: Sequence[int] = ()
) -> float | None:
    """The relative change from the first third to the last, if it is beyond `most`; else None.

    `times` are in order of measurement; `sizes` are those of each request, such as its tokens, and
    the part of the times that they explain, on a logarithmic scale, does not count. `begins`: the
    indices at which another session begins. The change is that of the median.

    Mann & Whitney's test, "On a test of whether one of two random variables is stochastically
    larger than the other", Ann. Math. Statist. 18 (1947), of thirds that are brought closer by the
    limit. The variance of its statistic is that of independent requests times the inflation by
    their autocorrelation, as for a mean (Bayley & Hammersley 1946).
    """
    logs = np.log(np.maximum(np.asarray(times, dtype=np.float64), CLOCK_S))
    n, third = len(logs), len(logs) // 3
    if third < FEWEST:
        return None
    design = np.column_stack([np.ones(n), *(np.log1p(size) for size in sizes)])
    left = logs - design @ np.linalg.lstsq(design, logs)[0]
    first, last = left[:third], left[n - third :]
    found, limit = float(np.median(last) - np.median(first)), math.log1p(most)
    if abs(found) <= limit:
        return None
    nearer = last - math.copysign(limit, found)
    z = _z(first, nearer) if found > 0 else _z(nearer, first)
    own = {one for one in begins if one < third} | {third}
    own |= {one - (n - 2 * third) for one in begins if one > n - third}
    z /= math.sqrt(_inflation(first, last, sorted(own)))
    return math.expm1(found) if z > NormalDist().inv_cdf(1 - ALPHA) else None


def _z(lower: Floats, upper: Floats) -> float:
    """The standardized statistic by which `upper` is larger, corrected for continuity."""
    m, n = len(lower), len(upper)
    ordered = np.sort(lower)
    below = np.searchsorted(ordered, upper, "left"), np.searchsorted(ordered, upper, "right")
    u = float((below[0] + below[1]).sum()) / 2  # ties count half
    return (u - m * n / 2 - 0.5) / math.sqrt(m * n * (m + n + 1) / 12)


def _inflation(first: Floats, last: Floats, begins: Sequence[int]) -> float:
    """The factor by which the autocorrelation raises the variance of a third's mean.

    The level and the slope of each third are the change itself, and are taken out first; what is
    between them does not count. `begins` are indices in the two, one after the other.
    """
    third, n = len(first), 2 * len(first)
    place = np.arange(third) - (third - 1) / 2
    slopes = [float(place @ part) / float(place @ place) for part in (first, last)]
    parts = zip((first, last), slopes, strict=True)
    within = np.concatenate([part - part.mean() - slope * place for part, slope in parts])
    if float(np.abs(within).max()) <= ROUNDING:
        return 1.0
    found = neighbours(normal_scores(within), tuple(begins), parts=2, slopes=True)
    # Half a standard error more, as in `serial`.
    lag1 = min(found + (math.sqrt((1 - found**2) / n) / 2 if found else 0.0), STRONGEST)
    lags = np.arange(1, third)
    return float(1 + 2 * ((1 - lags / third) * lag1**lags).sum())
