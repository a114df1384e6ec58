"""Tests of what differs between two variants on the same requests, and of many such at once.

Mid-p McNemar, the paired bootstrap and Holm's correction. Every test and interval is two-sided. A
figure that the sample cannot give is None, never 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist

import numpy as np

from frontier.statistics import (
    CONFIDENCE,
    Estimate,
    Floats,
    Indices,
    binomial,
    percent,
    percentiles,
    resampled,
)

# A p-value is at least 1 / (resamples + 1), and Holm's first factor is the number of comparisons:
# with so many, up to a thousand comparisons can still find one below .05.
TEST_RESAMPLES = 20_000
# Six equal signs are the fewest that a two-sided test on pairs could find below .05: 2 / 2**6.
FEWEST_PAIRS = 6


def paired_bootstrap(
    difference: Callable[[Indices], Floats],
    n: int,
    *,
    confidence: float = CONFIDENCE,
    resamples: int = TEST_RESAMPLES,
    seed: int = 0,
) -> tuple[Estimate, float | None]:
    """A difference over n paired requests with its percentile interval and p-value.

    `difference` maps resamples of the pairs to differences, as `bootstrap`'s statistic does. The
    resampled differences, centred on 0, stand for what chance alone would give: p is the share of
    them at least as far from 0 as the observed one, on either side, counting the observed one.
    Source: P. Koehn, "Statistical significance tests for machine translation evaluation" (EMNLP
    2004), with the centring of Riezler & Maxwell (2005). sacreBLEU 2.6 takes absolute values before
    it centres, so that its p of a clear difference counts one side: about half of this one.
    With fewer than FEWEST_PAIRS requests p is None.
    """
    method = f"paired bootstrap percentile, {resamples} resamples, seed {seed}"
    method = f"{method}, {percent(confidence)}"
    if n == 0:
        return Estimate(None, None, None, method), None
    value = float(difference(np.arange(n, dtype=np.int64)[np.newaxis, :])[0])
    if n < FEWEST_PAIRS:
        return Estimate(value, None, None, method), None
    drawn = resampled(difference, n, resamples, seed)
    as_far = int((np.abs(drawn - drawn.mean()) >= abs(value)).sum())
    return percentiles(value, drawn, confidence, method), (as_far + 1) / (resamples + 1)


def paired_difference(lost: int, gained: int, n: int, confidence: float = CONFIDENCE) -> Estimate:
    """The change of a proportion over n pairs, (gained - lost) / n, in Bonett and Price's interval.

    It adds one to each kind of flip, so that it does not shrink to a point where nothing flipped.
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
    """Two-sided mid-p value that flips one way are as likely as the other; 1 without a flip.

    The chance, with B ~ Binomial(lost + gained, 1/2), of a more one-sided split than the one seen,
    plus half that of an equally one-sided one. Unlike the exact test it is not conservative, and
    unlike the asymptotic one it holds for few flips. Source: Fagerland, Lydersen & Laake, "The
    McNemar test for binary matched-pairs data: mid-p and asymptotic are better than exact
    conditional", BMC Medical Research Methodology 13:91 (2013).
    """
    flips = lost + gained
    if flips == 0:
        return 1.0
    chances = binomial(flips, 0.5)
    fewer = min(lost, gained)
    if lost == gained:
        return float(1 - chances[fewer] / 2)
    return float(2 * chances[:fewer].sum() + chances[fewer])


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Each p-value adjusted for all of them, in the order given; None stays None and counts not.

    An adjusted value below .05 is significant with at most a 5 % chance of any false finding among
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
