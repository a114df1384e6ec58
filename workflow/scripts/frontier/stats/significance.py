"""Tests of differences between two variants on the same requests, and corrections for many tests.

Mid-p McNemar, the ratio of paired times and Holm's correction; differences of corpus metrics are in
jackknife.py. Every test and interval is two-sided. A figure that the sample cannot give is None,
never 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from frontier.stats.intervals import CONFIDENCE, Estimate, percent, quantile_interval, quantile_p
from frontier.stats.jackknife import Tested
from frontier.stats.serial import serial


def paired_ratio(
    before: ArrayLike, after: ArrayLike, sizes: Sequence[ArrayLike], confidence: float = CONFIDENCE
) -> Tested:
    """The median of the per-request ratios after / before, and the p-value that it is 1.

    Requests are in the order of measurement; `sizes` as in `serial`. A request's own length cancels
    out. The interval lies between two order statistics and the p-value is the sign test's; neither
    assumes a distribution.
    """
    ratios = np.asarray(after, dtype=np.float64) / np.asarray(before, dtype=np.float64)
    timed = serial(ratios, sizes)
    found = quantile_interval(ratios, 0.5, confidence, timed=timed)
    if found is None:
        return Tested(Estimate(None, None, None, "none: too few requests"), None)
    p = None if found.low is None else quantile_p(ratios, 0.5, 1.0, timed=timed)
    return Tested(found, p)


def paired_difference(lost: int, gained: int, n: int, confidence: float = CONFIDENCE) -> Estimate:
    """The change of a proportion over n pairs, (gained - lost) / n, in Bonett and Price's interval.

    It adds one to each kind of flip, so that it does not shrink to a point if nothing flipped.
    Source: Bonett & Price, "Adjusted Wald confidence interval for a difference of binomial
    proportions based on paired data", J. Educ. Behav. Stat. 37 (2012), recommended by Fagerland,
    Lydersen & Laake, Statistics in Medicine 33 (2014).
    """
    method = f"Bonett-Price adjusted Wald for paired proportions, {percent(confidence)}"
    if not 0 <= lost + gained <= n:
        raise ValueError(f"{lost} + {gained} flips of {n} pairs")
    if n == 0:
        return Estimate(None, None, None, method)
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    down, up = (lost + 1) / (n + 2), (gained + 1) / (n + 2)
    half = z * math.sqrt((down + up - (up - down) ** 2) / (n + 2))
    low, high = max(-1.0, up - down - half), min(1.0, up - down + half)
    return Estimate((gained - lost) / n, low, high, method)


def mcnemar_mid_p(lost: int, gained: int) -> float:
    """Two-sided mid-p value that flips in both directions are equally likely; 1 without a flip.

    The probability, with B ~ Binomial(lost + gained, 1/2), of a more one-sided split than observed,
    plus half that of an equally one-sided one. Unlike the exact test it is not conservative, and
    unlike the asymptotic one it holds for few flips. Source: Fagerland, Lydersen & Laake, "The
    McNemar test for binary matched-pairs data: mid-p and asymptotic are better than exact
    conditional", BMC Medical Research Methodology 13:91 (2013).
    """
    from scipy.special import bdtr  # half a second, and planning reads the scorers

    flips = lost + gained
    if flips == 0:
        return 1.0
    fewer = min(lost, gained)
    up_to = float(bdtr(fewer, flips, 0.5))
    below = float(bdtr(fewer - 1, flips, 0.5)) if fewer else 0.0
    # Twice those below and once the equal one, which is on both sides if flips are even.
    return 1 - (up_to - below) / 2 if lost == gained else below + up_to


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Each p-value adjusted for all of them, in the order given; None stays None, uncounted.

    An adjusted value below .05 is significant with at most a 5 % chance of any false positive among
    all. Source: S. Holm, "A simple sequentially rejective multiple test procedure", Scand. J.
    Statist. 6 (1979).
    """
    known = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, place) in enumerate(known):
        highest = max(highest, min(1.0, (len(known) - rank) * p))
        adjusted[place] = highest
    return adjusted
