"""Bootstrap intervals of statistics of totals over requests, bias-corrected and accelerated (BCa).

For means of scores between 0 and 1 such as ROUGE, of which the field publishes bootstrap intervals.
A row is what is drawn: a request, or all that belongs to one question. Times, corpus metrics and
all differences have jackknife.py's intervals (docs/decisions/0012 and 0020).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from frontier.stats.intervals import CONFIDENCE, Estimate, percent
from frontier.stats.jackknife import FEWEST
from frontier.stats.serial import Floats

RESAMPLES = 5_000
BATCH_NUMBERS = 4_000_000
"""Weights that are drawn at a time: 32 MB."""


def mean(totals: Floats) -> Floats:
    """The statistic of a plain mean, of totals divided by the number of rows, shape (m, 1)."""
    column: Floats = totals[:, 0]
    return column


def ratio(totals: Floats) -> Floats:
    """The statistic of a ratio of two totals, of shape (m, 2); NaN where the second is 0."""
    found: Floats = np.full(len(totals), np.nan)
    np.divide(totals[:, 0], totals[:, 1], out=found, where=totals[:, 1] > 0)
    return found


def bootstrap(
    statistic: Callable[[Floats], Floats],
    rows: ArrayLike,
    *,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> Estimate:
    """A statistic of the rows' averages and its BCa interval.

    `rows` of shape (requests, k); `statistic` maps averages of shape (m, k) to m values. The same
    seed draws the same resamples, so a result can be repeated.
    Source: Efron, "Better bootstrap confidence intervals", JASA 82 (1987); Efron & Tibshirani, "An
    Introduction to the Bootstrap" (1993), section 14.3.
    """
    from scipy.special import ndtr, ndtri  # half a second, and planning reads the scorers

    values = np.asarray(rows, dtype=np.float64)
    n = len(values)
    method = f"bootstrap BCa, {resamples:,} resamples, {percent(confidence)}"
    if n == 0:
        return Estimate(None, None, None, method)
    value = float(statistic(values.mean(axis=0, keepdims=True))[0])
    if np.isnan(value):
        return Estimate(None, None, None, method)

    def unknown(reason: str) -> Estimate:
        return Estimate(value, None, None, f"no interval: {reason}")

    if n < FEWEST:
        return unknown(f"fewer than {FEWEST} requests")
    if (values == values[0]).all():
        return unknown("all requests are alike")
    drawn = np.sort(_resampled(statistic, values, resamples, seed))
    if np.isnan(drawn).any():
        return unknown("it depends on a few of the requests")
    without = statistic((values.sum(axis=0) - values) / (n - 1))
    influence = without.mean() - without
    spread = float((influence**2).sum())
    if np.isnan(without).any() or spread == 0 or drawn[0] == drawn[-1]:
        return unknown("it depends on a single request")
    acceleration = float((influence**3).sum()) / (6 * spread**1.5)

    below, up_to = (np.searchsorted(drawn, value, side) for side in ("left", "right"))
    bias = float(ndtri((below + up_to + 1) / (2 * resamples + 2)))  # half of the equal ones

    def adjusted(z: float) -> float:
        return float(ndtr(bias + (bias + z) / (1 - acceleration * (bias + z))))

    tail = float(ndtri(0.5 - confidence / 2))
    low, high = np.quantile(drawn, [adjusted(tail), adjusted(-tail)])
    return Estimate(value, float(low), float(high), method)


def _resampled(
    statistic: Callable[[Floats], Floats], values: Floats, resamples: int, seed: int
) -> Floats:
    """The statistic of resamples of the rows with replacement."""
    n = len(values)
    rng = np.random.default_rng(seed)
    at_once = max(1, BATCH_NUMBERS // n)
    parts = []
    for start in range(0, resamples, at_once):
        count = min(at_once, resamples - start)
        chosen = rng.integers(0, n, size=(count, n))
        averages = [column[chosen].mean(axis=1) for column in values.T]
        parts.append(statistic(np.stack(averages, axis=1)))
    return np.concatenate(parts)
