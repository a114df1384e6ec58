"""Statistics of totals over requests (means, rates, corpus scores) with jackknife intervals.

One deterministic method for all of them: Student's t on a scale that suits the statistic, with the
jackknife's standard error, widened if the requests' influence on it is skewed. `bench/coverage.py`
measures the coverage of the intervals.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from frontier.stats.intervals import CONFIDENCE, Estimate, percent
from frontier.stats.serial import FEWEST_WORTH, Floats, Serial

FEWEST = 6  # requests; with fewer the skewness, and so the interval, is unknown


@dataclass(frozen=True)
class Scale:
    """A scale on which a statistic is closer to normal: the map, its inverse, its slope at a value.

    `tail` is how much the squared skewness of the influence widens the interval: by the Edgeworth
    expansion of Student's t the ends of a two-sided interval of 95 % are short by a share of
    (z^4 + 2 z^2 - 3) / 18 = 1.08 skewness^2 / n. Source: Hall, "The Bootstrap and Edgeworth
    Expansion" (1992), section 2.6.
    """

    name: str
    onto: Callable[[float], float]
    back: Callable[[float], float]
    slope: Callable[[float], float]
    tail: float = 1.08


LINEAR = Scale("", lambda value: value, lambda value: value, lambda value: 1.0)
# Samples of long-tailed times underestimate the skewness: add half (simulated).
LOG = Scale(" on the log scale", np.log, np.exp, lambda value: 1 / value, tail=1.62)


def _logit(share: float) -> float:
    from scipy.special import logit  # half a second, and planning reads the scorers

    return float(logit(share))


def _logistic(value: float) -> float:
    from scipy.special import expit

    return float(expit(value))


def logit_up_to(top: float) -> Scale:
    """The scale of a statistic between 0 and `top`, which keeps its interval inside."""
    return Scale(
        " on the logit scale",
        lambda value: _logit(value / top),
        lambda value: top * _logistic(value),
        lambda value: top / (value * (top - value)),
    )


class Tested(NamedTuple):
    """An estimate, and the two-sided p-value that its true value is 0; None if unknown."""

    estimate: Estimate
    p: float | None


def jackknife(
    statistic: Callable[[Floats], Floats],
    counts: ArrayLike,
    *,
    scale: Scale = LINEAR,
    timed: Serial | None = None,
    confidence: float = CONFIDENCE,
) -> Tested:
    """A statistic of the totals over requests, its interval and its p-value.

    `counts` of shape (requests, k) are each request's contribution to the totals; `statistic` maps
    totals of shape (m, k) to m values. Counts that are times are in the order of measurement, and
    the interval is widened by their autocorrelation `timed`. The p-value is for differences on the
    linear scale: below 1 - confidence if the interval excludes 0.
    Source: Miller, "The jackknife: a review", Biometrika 61 (1974); of ratios of totals, Cochran,
    "Sampling Techniques" (1977), section 6.17.
    """
    from scipy.special import stdtr, stdtrit

    rows = np.asarray(counts, dtype=np.float64)
    n = len(rows)
    method = f"jackknife t{scale.name}, widened by skewness, {percent(confidence)}"
    if n == 0:
        return Tested(Estimate(None, None, None, method), None)
    totals = rows.sum(axis=0)
    value = float(statistic(totals[np.newaxis])[0])
    if np.isnan(value):
        return Tested(Estimate(None, None, None, method), None)

    def unknown(reason: str, p: float | None = None) -> Tested:
        return Tested(Estimate(value, None, None, f"no interval: {reason}"), p)

    if n < FEWEST:
        return unknown(f"fewer than {FEWEST} requests")
    without = statistic(totals - rows)
    if np.isnan(without).any():
        return unknown("it depends on a single request")
    influence = (n - 1) * (without.mean() - without)
    variance = float((influence**2).mean())
    if variance <= (1e-9 * float(np.abs(without).max())) ** 2:
        return unknown("all requests are alike", 1.0 if value == 0 else None)
    effective = float(n)
    if timed is not None:
        effective /= timed.of_mean(influence)
        method += f"; {timed.worth(effective, n)}"
        if effective < FEWEST_WORTH:
            return unknown(timed.worth(effective, n))
    if not np.isfinite(scale.onto(value)):
        return unknown("it is at the end of its range")
    skewness = float(((influence / np.sqrt(variance)) ** 3).mean())
    skewness *= np.sqrt(n * (n - 1)) / (n - 2)
    error = np.sqrt(variance / (n - 1) * n / effective)
    error *= 1 + scale.tail * skewness**2 / effective
    half = float(stdtrit(effective - 1, 0.5 + confidence / 2)) * error * scale.slope(value)
    with np.errstate(over="ignore"):
        low, high = (float(scale.back(scale.onto(value) + side * half)) for side in (-1, 1))
    if not np.isfinite(high):
        return unknown("it depends on a few of the requests")
    p = 2 * float(stdtr(effective - 1, -abs(value) / error))
    return Tested(Estimate(value, low, high, method), p)
