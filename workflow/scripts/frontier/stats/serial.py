"""The autocorrelation of consecutive requests' times, and its cost in information.

Requests are timed one after another, and a warm or busy machine stays so for a while. So n requests
are less informative than n independent ones: worth n / inflation of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

STRONGEST = 0.97  # of the lag-1 autocorrelation: beyond it a sum over lags is unreliable
FEWEST_WORTH = 3  # independent requests that an interval needs
NEGLIGIBLE = 1e-4
CLOCK_S = 1e-9  # a time of 0 is below the clock's resolution
ROUNDING = 1e-9  # of logarithms: times that differ by less count as equal
FEWEST_LAGS = 4
SHOWS_LAG = 50  # requests; an estimate from fewer misses a strong autocorrelation too often


@dataclass(frozen=True)
class Serial:
    """An autoregressive process of order 1 plus independent noise, as a model of times.

    `lag1` is the autocorrelation of neighbouring residuals, the part that the requests' sizes do
    not explain; `share` is the residuals' part of the variance. `begins`: the indices at which
    another process begins, whose first request has no neighbour before it.
    """

    lag1: float
    share: float = 1.0
    begins: tuple[int, ...] = ()

    def of_mean(self, terms: Floats) -> float:
        """The factor by which the variance of a mean exceeds that of independent terms.

        1 + 2 times the sum of the terms' autocorrelations, which start with their own and fall by
        `lag1` from one lag to the next. Source: Bayley & Hammersley, "The effective number of
        independent observations in an autocorrelated time series", J. R. Statist. Soc. Suppl. 8
        (1946).
        """
        if self.lag1 >= STRONGEST:
            return math.inf
        return 1 + 2 * neighbours(terms, self.begins) / (1 - self.lag1)

    def of_quantile(self, q: float) -> float:
        """The factor for the share of times below their q-quantile, with Gaussian dependence."""
        if self.lag1 >= STRONGEST:
            return math.inf
        total, correlation = 0.0, self.share * self.lag1
        while correlation > NEGLIGIBLE:
            total += _both_below(correlation, q)
            correlation *= self.lag1
        return 1 + 2 * total

    def worth(self, effective: float, n: int, what: str = "requests") -> str:
        """The number of independent values that `n` are worth, as text."""
        unsure = f" (of {n} requests hardly known)" if n < SHOWS_LAG and what == "requests" else ""
        lag = f"lag-1 autocorrelation {self.lag1:.2f}{unsure}"
        return f"{lag}: worth {effective:.3g} of {n} {what}"


INDEPENDENT = Serial(0.0)


@cache
def _points() -> tuple[Floats, Floats]:
    """The points and weights of Gauss-Legendre quadrature on [-1, 1]."""
    at, weights = np.polynomial.legendre.leggauss(24)
    return at, weights


def _both_below(correlation: float, q: float) -> float:
    """The correlation of the events that two normal variables are below their q-quantile.

    The derivative of P(both below z) by the correlation r is exp(-z^2 / (1 + r)) / (2 pi
    sqrt(1 - r^2)), which is integrated from 0 (Gauss-Legendre). Source: Plackett, "A reduction
    formula for normal multivariate integrals", Biometrika 41 (1954).
    """
    from scipy.special import ndtri  # half a second, and planning reads the scorers

    z2 = float(ndtri(q)) ** 2
    at, weights = _points()
    r = correlation * (at + 1) / 2
    slopes = np.exp(-z2 / (1 + r)) / np.sqrt(1 - r * r)
    covariance = float(weights @ slopes) * correlation / 2 / (2 * math.pi)
    return covariance / (q * (1 - q))


def normal_scores(values: ArrayLike) -> Floats:
    """Values replaced by the normal quantiles of their ranks, ties averaged (Blom, 1958)."""
    from scipy.special import ndtri  # half a second, and planning reads the scorers

    array = np.asarray(values, dtype=np.float64)
    _, place, counts = np.unique(array, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    scores: Floats = ndtri((ranks - 0.375) / (len(array) + 0.25))
    return scores


def neighbours(
    series: Floats, begins: Sequence[int] = (), *, parts: int = 1, slopes: bool = False
) -> float:
    """The lag-1 autocorrelation of values in order of time; 0 if negative.

    Values at `begins` are not neighbours of those before them.

    Removing the mean biases the estimate by -(1 + 3 lag1) / n, which is added back. Source:
    Kendall, "Note on bias in the estimation of autocorrelation", Biometrika 41 (1954). Of each of
    several equal `parts` a mean was removed; with `slopes` a slope too, which biases it by about
    -(2 + 4 lag1) / n (bench/coverage.py simulates the test of drift, which depends on it).
    """
    n, centred = len(series), series - series.mean()
    whole = float(centred @ centred)
    if n <= FEWEST_LAGS or whole == 0:
        return 0.0
    found = float(centred[1:] @ centred[:-1]) / whole
    if begins:
        products = np.delete(centred[1:] * centred[:-1], [place - 1 for place in begins])
        found = float(products.mean()) * (n - 1) / whole if len(products) else 0.0
    each, removed = n / parts, (2, 4) if slopes else (1, 3)
    corrected = (found + removed[0] / each) / (1 - removed[1] / each)
    return min(max(corrected, 0.0), STRONGEST)


def serial(
    times: ArrayLike, sizes: Sequence[ArrayLike] = (), begins: tuple[int, ...] = ()
) -> Serial:
    """The autocorrelation of times in the order of measurement; `begins` as in Serial.

    `sizes` are those of each request, such as its tokens: the part of the times that they explain,
    on a logarithmic scale, is not the machine's. The rest is replaced by normal scores, so that a
    few stalls do not hide the autocorrelation.
    """
    logs = np.log(np.maximum(np.asarray(times, dtype=np.float64), CLOCK_S))
    n = len(logs)
    whole = float(((logs - logs.mean()) ** 2).sum()) if n else 0.0
    if n <= len(sizes) + FEWEST_LAGS or whole <= n * ROUNDING**2:
        return INDEPENDENT
    design = np.column_stack([np.ones(n), *(np.log1p(size) for size in sizes)])
    residuals = logs - design @ np.linalg.lstsq(design, logs)[0]
    left = float(residuals @ residuals)
    if left <= n * ROUNDING**2:
        return INDEPENDENT
    found = neighbours(normal_scores(residuals), begins)
    # Half a standard error more: an underestimate does more harm than an overestimate.
    unsure = math.sqrt((1 - found**2) / n) / 2 if found else 0.0
    return Serial(min(found + unsure, STRONGEST), min(left / whole, 1.0), begins)
