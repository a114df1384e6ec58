"""Means of values of which several belong to one question: turns, samples, orders.

Such values resemble each other, so that they are worth fewer than their number. Source: Liang &
Zeger, "Longitudinal data analysis using generalized linear models", Biometrika 73 (1986); for
evaluations, Miller, "Adding Error Bars to Evals" (2024).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from frontier.stats.intervals import CONFIDENCE, Estimate, percent, wilson
from frontier.stats.jackknife import FEWEST, Tested
from frontier.stats.serial import Floats


def standard_error(
    values: ArrayLike, clusters: Sequence[Hashable], *, corrected: bool = True
) -> float:
    """The clustered standard error of a mean: CR0, or CR1 if corrected for few clusters.

    sqrt(sum over clusters of (sum of their deviations from the mean) squared) / n; CR1 is that
    times sqrt(C / (C - 1)). Each value a cluster of its own gives the usual error s / sqrt(n).
    NaN for fewer than two clusters.
    """
    array = np.asarray(values, dtype=np.float64)
    sums = totals(array - array.mean() if len(array) else array, clusters)[:, 0]
    if (count := len(sums)) < 2:
        return math.nan
    error = math.sqrt(float(sums @ sums)) / len(array)
    return error * math.sqrt(count / (count - 1)) if corrected else error


def totals(values: ArrayLike, clusters: Sequence[Hashable]) -> Floats:
    """The sum of each cluster's values and their number, of shape (clusters, 2)."""
    array = np.asarray(values, dtype=np.float64)
    if len(array) != len(clusters):
        raise ValueError(f"{len(array)} values in {len(clusters)} clusters")
    rows = {one: row for row, one in enumerate(dict.fromkeys(clusters))}
    place = np.array([rows[one] for one in clusters], dtype=np.int64)
    sums = np.bincount(place, weights=array, minlength=len(rows))
    return np.column_stack([sums, np.bincount(place, minlength=len(rows))]).astype(np.float64)


def clustered_mean(
    values: ArrayLike,
    clusters: Sequence[Hashable],
    *,
    bounds: tuple[float, float] = (-math.inf, math.inf),
    confidence: float = CONFIDENCE,
) -> Tested:
    """The mean of all values, Student's t interval with CR1 errors, and the p-value that it is 0.

    The t distribution has one degree of freedom less than there are clusters. `bounds`: the least
    and greatest possible mean, beyond which the interval does not go.
    """
    from scipy.special import stdtr, stdtrit  # half a second, and planning reads the scorers

    array = np.asarray(values, dtype=np.float64)
    count, n = len(set(clusters)), len(array)
    method = f"clustered by question (CR1), t, {percent(confidence)}"
    if n == 0:
        return Tested(Estimate(None, None, None, method), None)
    value = float(array.mean())
    if count < FEWEST:
        reason = f"no interval: fewer than {FEWEST} questions"
        return Tested(Estimate(value, None, None, reason), None)
    error = standard_error(array, clusters)
    if error <= 1e-12 * max(1.0, float(np.abs(array).max())):
        alike = Estimate(value, None, None, "no interval: all questions are alike")
        return Tested(alike, 1.0 if value == 0 else None)
    half = float(stdtrit(count - 1, 0.5 + confidence / 2)) * error
    low, high = max(bounds[0], value - half), min(bounds[1], value + half)
    p = 2 * float(stdtr(count - 1, -abs(value) / error))
    return Tested(Estimate(value, low, high, method), p)


def clustered_share(
    values: ArrayLike, clusters: Sequence[Hashable], *, confidence: float = CONFIDENCE
) -> Estimate:
    """The mean of values in [0, 1], with CR1 errors on the logit scale and Student's t.

    The interval stays inside. Where all values are 0, or all 1, it is Wilson's interval of one
    value for each cluster.
    """
    from scipy.special import expit, logit, stdtrit  # half a second, and planning reads the scorers

    array, count = np.asarray(values, dtype=np.float64), len(set(clusters))
    method = f"clustered by question (CR1), t on the logit scale, {percent(confidence)}"
    if not len(array):
        return Estimate(None, None, None, method)
    share = float(array.mean())
    if array.min() == array.max() and share in (0.0, 1.0):
        found = wilson(round(share * count), count, confidence)
        return replace(found, method=f"{found.method}, of one answer to each question")
    error = standard_error(array, clusters)
    if not error > 0:
        return Estimate(share, None, None, "no interval: too few questions, or all are alike")
    half = float(stdtrit(count - 1, 0.5 + confidence / 2)) * error / (share * (1 - share))
    low, high = (float(expit(logit(share) + side * half)) for side in (-1, 1))
    return Estimate(share, low, high, method)
