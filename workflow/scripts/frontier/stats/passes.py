"""Rates over passes: the same work, done several times."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from frontier.stats.intervals import CONFIDENCE, Estimate, percent

FEWEST = 3  # passes; the spread of two is as good as unknown


def rate(counts: Sequence[float], seconds: Sequence[float]) -> Estimate:
    """The total of each pass's count over the total of their seconds.

    Its interval is Student's t of the passes' own rates on the log scale. It covers how much a
    repetition of the same requests varies, not how other requests would do.
    """
    value = float(np.sum(counts) / np.sum(seconds))
    n = len(counts)
    if n < FEWEST:
        return Estimate(value, None, None, f"no interval: fewer than {FEWEST} passes")
    if not all(counts):
        return Estimate(value, None, None, "no interval: a pass without a count")
    from scipy.special import stdtrit  # half a second, and planning reads the figures

    rates = np.log(np.divide(counts, seconds))
    half = float(stdtrit(n - 1, 0.5 + CONFIDENCE / 2)) * float(rates.std(ddof=1)) / np.sqrt(n)
    method = f"t of {n} passes over the same requests on the log scale, {percent(CONFIDENCE)}"
    return Estimate(value, float(value * np.exp(-half)), float(value * np.exp(half)), method)
