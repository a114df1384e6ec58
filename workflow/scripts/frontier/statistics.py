"""Estimates with their intervals: proportions, quantiles, means and bootstrapped statistics.

Every interval is two-sided. A figure that the sample cannot give is None, never 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

CONFIDENCE = 0.95
RESAMPLES = 1000
CELLS_AT_ONCE = 2_000_000  # resampled indices held in memory at a time: 16 MB

Indices = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A figure, its interval and how the interval was found; None where it is not defined."""

    value: float | None
    low: float | None
    high: float | None
    method: str


def percent(confidence: float) -> str:
    """A share as text: 95 %."""
    return f"{100 * confidence:g} %"


def wilson(successes: int, n: int, confidence: float = CONFIDENCE) -> Estimate:
    """A proportion with Wilson's score interval, without continuity correction.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
    JASA 22 (1927); Newcombe, Statistics in Medicine 17 (1998), method 3. It stays within [0, 1]
    and keeps its coverage near 0 and 1, where the normal approximation fails.
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
    # At the edges centre and half are equal but for rounding.
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == n else centre + half
    return Estimate(p, low, high, method)


def binomial(n: int, q: float) -> Floats:
    """P(B = k) for k = 0 to n, with B ~ Binomial(n, q) and 0 < q < 1."""
    k = np.arange(n + 1)
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    log_choose = log_factorial[n] - log_factorial - log_factorial[::-1]
    chances: Floats = np.exp(log_choose + k * math.log(q) + (n - k) * math.log1p(-q))
    return chances


@cache
def quantile_ranks(n: int, q: float, confidence: float = CONFIDENCE) -> tuple[int, int] | None:
    """The ranks (from 1) of the two order statistics that enclose the q-quantile; None if too few.

    With B ~ Binomial(n, q), the interval [X(l), X(u)] covers the quantile with probability
    P(l <= B <= u - 1), whatever the distribution: l is the largest rank with
    P(B <= l - 1) <= alpha / 2 and u the smallest with P(B <= u - 1) >= 1 - alpha / 2.
    Source: Hahn & Meeker, "Statistical Intervals" (1991), section 5.2. For p99 at 95 % the upper
    rank exists from n = 368 on, for p90 from 36, for the median from 6.
    """
    if not 0 < q < 1:
        raise ValueError(f"a quantile lies between 0 and 1, not at {q}")
    if n < 1:
        return None
    cdf = np.cumsum(binomial(n, q))
    tail = (1 - confidence) / 2
    low = int(np.searchsorted(cdf, tail, side="right"))
    high = int(np.searchsorted(cdf, 1 - tail, side="left")) + 1
    return (low, high) if low >= 1 and high <= n else None


def quantile_interval(
    values: ArrayLike, q: float, confidence: float = CONFIDENCE
) -> Estimate | None:
    """The q-quantile of independent values, between two order statistics; None where unknown.

    The estimate interpolates linearly between neighbours, as numpy does by default (Hyndman & Fan,
    "Sample quantiles in statistical packages", 1996, type 7). The values' unit is kept.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    ranks = quantile_ranks(len(ordered), q, confidence)
    if ranks is None:
        return None
    low, high = (float(ordered[rank - 1]) for rank in ranks)
    method = f"order statistics, exact binomial, {percent(confidence)}"
    return Estimate(float(np.quantile(ordered, q)), low, high, method)


def bootstrap(
    statistic: Callable[[Indices], Floats],
    n: int,
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """A statistic of n requests with its bootstrap percentile interval.

    `statistic` maps an array of indices of shape (resamples, n), each row one resample of the
    requests, to an array of shape (resamples,). Resamples in which it is NaN (not defined) are left
    out; with fewer than two requests nothing is known about the spread and the interval is None.
    Source: Efron & Tibshirani, "An Introduction to the Bootstrap" (1993), section 13.3.
    """
    method = f"bootstrap percentile, {resamples} resamples, seed {seed}, {percent(confidence)}"
    if n == 0:
        return Estimate(None, None, None, method)
    value = float(statistic(np.arange(n, dtype=np.int64)[np.newaxis, :])[0])
    if math.isnan(value):
        return Estimate(None, None, None, method)
    if n == 1:
        return Estimate(value, None, None, method)
    return percentiles(value, resampled(statistic, n, resamples, seed), confidence, method)


def resampled(statistic: Callable[[Indices], Floats], n: int, resamples: int, seed: int) -> Floats:
    """The statistic of each resample, in pieces that bound the memory."""
    rng = np.random.default_rng(seed)
    at_once = max(1, CELLS_AT_ONCE // n)
    return np.concatenate(
        [
            statistic(rng.integers(0, n, size=(min(at_once, resamples - start), n)))
            for start in range(0, resamples, at_once)
        ]
    )


def percentiles(value: float, drawn: Floats, confidence: float, method: str) -> Estimate:
    """The estimate whose interval holds the middle of the resamples that are defined."""
    defined = drawn[~np.isnan(drawn)]
    if len(defined) == 0:
        return Estimate(value, None, None, method)
    tail = (1 - confidence) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return Estimate(value, float(low), float(high), method)


def mean_interval(
    values: ArrayLike,
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """The mean of independent values with its bootstrap interval; the values' unit is kept."""
    array = np.asarray(values, dtype=np.float64)
    return bootstrap(
        lambda indices: array[indices].mean(axis=1),
        len(array),
        confidence=confidence,
        resamples=resamples,
        seed=seed,
    )
