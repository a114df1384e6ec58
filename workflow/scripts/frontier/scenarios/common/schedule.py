"""Schedules of arrivals: drawn before the first request, and independent of every answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SECOND = 1e9


@dataclass(frozen=True)
class Arrival:
    """A request of a sample, and when it arrives."""

    id: str
    repetition: int
    """The number of times that it has arrived before."""
    ns: int
    """Nanoseconds since the start of the schedule."""


def poisson(ids: Sequence[str], count: int, rate: float, seed: int) -> list[Arrival]:
    """The first `count` arrivals of a Poisson process with `rate` arrivals per second.

    The gaps are independent and exponential, the first one before the first arrival. The sample is
    repeated in whole passes, each in an order of its own; the last one may be cut off. `seed`
    decides gaps and orders, `rate` only the unit of time: at another rate the same requests arrive
    in the same order, and each gap is as much longer as the rate is lower.
    """
    random = np.random.default_rng(seed)
    gaps = random.standard_exponential(count)
    times = np.floor(np.cumsum(gaps) / rate * SECOND)
    passes = -(-count // len(ids)) if count else 0
    orders = [(repetition, place) for repetition in range(passes)
              for place in random.permutation(len(ids))]  # fmt: skip
    return [
        Arrival(ids[place], repetition, int(ns))
        for (repetition, place), ns in zip(orders, times, strict=False)
    ]
