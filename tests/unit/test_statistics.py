"""Intervals against scipy's, and what a small sample must not pretend to know."""

from __future__ import annotations

import math
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from frontier import statistics
from frontier.statistics import (
    bootstrap,
    mean_interval,
    quantile_interval,
    quantile_ranks,
    wilson,
)


@given(n=st.integers(1, 5000), share=st.floats(0, 1), confidence=st.sampled_from([0.8, 0.95, 0.99]))
def test_wilson_is_scipys(n: int, share: float, confidence: float) -> None:
    successes = round(share * n)
    expected = stats.binomtest(successes, n).proportion_ci(confidence, method="wilson")
    found = wilson(successes, n, confidence)
    assert found.value == successes / n
    assert found.low == pytest.approx(expected.low, abs=1e-12)
    assert found.high == pytest.approx(expected.high, abs=1e-12)
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_wilson_of_nothing_is_unknown() -> None:
    found = wilson(0, 0)
    assert (found.value, found.low, found.high) == (None, None, None)
    with pytest.raises(ValueError, match="5 successes of 4"):
        wilson(5, 4)


@given(
    n=st.integers(1, 3000),
    q=st.sampled_from([0.01, 0.25, 0.5, 0.9, 0.95, 0.99]),
    confidence=st.sampled_from([0.9, 0.95, 0.99]),
)
def test_quantile_ranks_are_those_of_scipys_binomial(n: int, q: float, confidence: float) -> None:
    ranks = quantile_ranks(n, q, confidence)
    binomial = stats.binom(n, q)
    tail = (1 - confidence) / 2
    low, high = int(binomial.ppf(tail)), int(binomial.ppf(1 - tail)) + 1
    assert ranks == ((low, high) if low >= 1 and high <= n else None)
    if ranks:
        assert binomial.cdf(high - 1) - binomial.cdf(low - 1) >= confidence - 1e-9


@pytest.mark.parametrize("q", [0.5, 0.9, 0.99])
def test_smallest_sample_that_knows_a_quantile(q: float) -> None:
    smallest = math.ceil(math.log(0.025) / math.log(q))  # q ** n <= alpha / 2
    assert quantile_ranks(smallest - 1, q) is None
    assert quantile_ranks(smallest, q) is not None


@pytest.mark.parametrize("n", [0, 1, 50, 99, 100, 200])
def test_p99_of_a_small_sample_is_null(n: int) -> None:
    assert quantile_interval(np.arange(n, dtype=float), 0.99) is None


def test_quantile_interval_covers_as_promised() -> None:
    rng = np.random.default_rng(5)
    truth = stats.lognorm(1.0).ppf(0.9)
    covered = 0
    for _ in range(400):
        found = quantile_interval(rng.lognormal(size=200), 0.9)
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= truth <= found.high
    assert stats.binomtest(covered, 400, 0.95, alternative="less").pvalue > 0.001


@given(st.lists(st.floats(0, 1e6), min_size=6, max_size=60), st.randoms())
def test_quantile_lies_in_its_interval_in_any_order(values: list[float], random: Random) -> None:
    found = quantile_interval(values, 0.5)
    assert found is not None
    assert found.value == np.quantile(values, 0.5)
    assert found.low in values
    assert found.high in values
    assert found.low <= found.value <= found.high
    random.shuffle(values)
    assert quantile_interval(values, 0.5) == found


def test_a_quantile_outside_0_and_1_is_refused() -> None:
    with pytest.raises(ValueError, match="99"):
        quantile_interval([1.0, 2.0], 99)


def test_mean_interval_agrees_with_scipys_bootstrap() -> None:
    values = np.random.default_rng(1).lognormal(size=150)
    expected = stats.bootstrap(
        (values,), np.mean, n_resamples=5000, method="percentile", rng=np.random.default_rng(2)
    ).confidence_interval
    found = mean_interval(values, resamples=5000)
    width = expected.high - expected.low
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(expected.low, abs=0.06 * width)
    assert found.high == pytest.approx(expected.high, abs=0.06 * width)


def test_bootstrap_is_the_same_every_time_and_moves_with_the_seed() -> None:
    values = np.random.default_rng(3).normal(size=80)
    assert mean_interval(values) == mean_interval(values)
    assert mean_interval(values, seed=1).low != mean_interval(values).low


def test_bootstrap_of_a_rate_of_totals() -> None:
    """Tokens per second is a ratio of sums; its bootstrap resamples requests, not rates."""
    rng = np.random.default_rng(4)
    tokens = rng.integers(1, 64, 300).astype(float)
    seconds = tokens * rng.uniform(0.01, 0.03, 300)
    found = bootstrap(lambda i: tokens[i].sum(axis=1) / seconds[i].sum(axis=1), 300)
    expected = stats.bootstrap(
        (tokens, seconds),
        lambda t, s, axis: t.sum(axis=axis) / s.sum(axis=axis),
        paired=True,
        method="percentile",
        n_resamples=5000,
        rng=rng,
    ).confidence_interval
    assert found.value == tokens.sum() / seconds.sum()
    assert found.low == pytest.approx(expected.low, rel=0.02)
    assert found.high == pytest.approx(expected.high, rel=0.02)


def test_bootstrap_works_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = []

    def statistic(indices: statistics.Indices) -> statistics.Floats:
        shapes.append(indices.shape)
        return indices.mean(axis=1)

    monkeypatch.setattr(statistics, "CELLS_AT_ONCE", 1000)
    bootstrap(statistic, 300, resamples=10)
    assert shapes == [(1, 300), (3, 300), (3, 300), (3, 300), (1, 300)]


@pytest.mark.parametrize(
    ("values", "value", "low"),
    [([], None, None), ([2.0], 2.0, None), ([math.nan, math.nan], None, None)],
)
def test_bootstrap_says_nothing_it_cannot_know(
    values: list[float], value: float | None, low: float | None
) -> None:
    found = mean_interval(values)
    assert (found.value, found.low, found.high) == (value, low, low)


def test_resamples_in_which_the_statistic_is_undefined_are_left_out() -> None:
    positive = np.array([True] + [False] * 9)

    def share(indices: statistics.Indices) -> statistics.Floats:
        drawn = positive[indices].sum(axis=1)
        return np.where(drawn > 0, drawn / 10, np.nan)

    found = bootstrap(share, 10)
    assert found.value == 0.1
    assert found.low is not None
    assert found.low >= 0.1
