"""The autocorrelation of times behind a queue, which lasts longer than an autoregressive process.

A long queue lasts for as long as it takes to be worked off, so that the correlation of neighbours
says too little of it. What it costs in information is seen in the means of long batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import NormalDist

import numpy as np

from frontier.stats.intervals import CONFIDENCE
from frontier.stats.serial import Floats, Serial

BATCHES = 10


@dataclass(frozen=True)
class Queued(Serial):
    """An autoregressive process, or the batches' spread where that is larger."""

    values: tuple[float, ...] = field(default=(), repr=False)

    def of_quantile(self, q: float) -> float:
        """The factor for the share of times below their q-quantile; at least `Serial`'s.

        At the median too: few batches have requests beyond an extreme quantile.
        """
        times = np.asarray(self.values)
        below = [(times <= end).astype(np.float64) for end in np.quantile(times, [q, 0.5])]
        return max(super().of_quantile(q), *map(inflation, below))


def queued(found: Serial, times: Sequence[float]) -> Queued:
    """The autocorrelation of times in the order of arrival, of which `found` knows a part."""
    return Queued(found.lag1, found.share, found.begins, tuple(times))


def inflation(values: Floats) -> float:
    """The factor by which the variance of a mean exceeds that of independent values.

    That of the means of consecutive batches times their length, over the values' own. It includes
    how little so few batches know: the square of Student's t over the normal quantile. 1 where
    there are too few values, or all are equal. Source: Law & Kelton, "Confidence intervals for
    steady-state simulations: I", Operations Research 32 (1984).
    """
    from scipy.special import stdtrit  # half a second, and planning reads the scorers

    length, own = len(values) // BATCHES, float(values.var())
    if length < 2 or own == 0:
        return 1.0
    means = values[len(values) - length * BATCHES :].reshape(BATCHES, length).mean(axis=1)
    tail = 0.5 + CONFIDENCE / 2
    unsure = (float(stdtrit(BATCHES - 1, tail)) / NormalDist().inv_cdf(tail)) ** 2
    return max(1.0, length * float(means.var(ddof=1)) / own * unsure)
