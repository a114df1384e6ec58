"""Drift in a measurement: how often it is found where there is none, and where there is."""

from __future__ import annotations

import numpy as np
import pytest

from frontier.gates.too_few import needed
from frontier.stats.drift import change
from frontier.stats.intervals import quantile_ranks

MOST, RUNS = 0.2, 400


def times(
    random: np.random.Generator, n: int, lag1: float, spread: float, last: float
) -> tuple[list[float], list[list[int]]]:
    """Times of requests of many sizes, with slow phases, and their sizes; `last`: the drift."""
    noise = np.empty(n)
    level = random.normal()
    for place in range(n):
        level = lag1 * level + np.sqrt(1 - lag1**2) * random.normal()
        noise[place] = level
    tokens = random.integers(1, 200, n)
    drift = np.linspace(0, np.log1p(last) * 1.5, n)  # the median of the thirds differs by `last`
    found = 0.01 * tokens**0.9 * np.exp(spread * noise + drift)
    return found.tolist(), [tokens.tolist()]


def share(n: int, lag1: float, spread: float, last: float, seed: int = 0) -> float:
    """The share of simulated measurements in which a drift is found."""
    random = np.random.default_rng(seed)
    found = [change(*times(random, n, lag1, spread, last), MOST) for _ in range(RUNS)]
    return sum(one is not None for one in found) / RUNS


@pytest.mark.parametrize("n", [30, 60, 300])
@pytest.mark.parametrize(("lag1", "spread"), [(0.0, 0.05), (0.0, 0.5), (0.5, 0.2), (0.8, 0.1)])
def test_false_positives_are_rare(n: int, lag1: float, spread: float) -> None:
    """At most 5 % without a drift, whatever the noise and its slow phases."""
    assert share(n, lag1, spread, 0.0) <= 0.05


def test_a_drift_of_the_limit_is_not_beyond_doubt() -> None:
    """The worst case of what is permitted."""
    for n in (30, 300):
        assert share(n, 0.0, 0.1, MOST) <= 0.05


def test_a_large_drift_is_found() -> None:
    for n, last in ((60, 0.6), (300, 0.35), (60, -0.4)):
        assert share(n, 0.0, 0.05, last) >= 0.95


def test_sizes_are_no_drift() -> None:
    """Questions that become longer from the first to the last take longer."""
    noise = np.random.default_rng(1).normal(0, 0.1, 300)
    sizes = np.arange(10, 310)
    times = 0.01 * sizes * np.exp(noise)
    assert change(times, [sizes], MOST) is None
    assert change(times, [], MOST) is not None


def test_few_requests_and_alike_ones() -> None:
    """Twenty-nine show nothing; times that are all alike do not drift."""
    assert change([1.0] * 20 + [9.0] * 9, [], MOST) is None
    assert change([1.0] * 300, [[5] * 300], MOST) is None
    assert change([1.0] * 30 + [1.5] * 30, [], MOST) == pytest.approx(0.5)


@pytest.mark.parametrize("percentile", [1, 50, 90, 95, 99, 99.9])
def test_as_many_requests_as_an_interval_needs(percentile: float) -> None:
    """The gate says the number from which the interval of that quantile exists."""
    fewest = needed(percentile)
    assert quantile_ranks(fewest, percentile / 100) is not None
    assert quantile_ranks(fewest - 1, percentile / 100) is None
