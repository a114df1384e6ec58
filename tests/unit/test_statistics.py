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
from frontier.significance import (
    FEWEST_PAIRS,
    holm,
    mcnemar_mid_p,
    paired_bootstrap,
    paired_difference,
)
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


def enumerated_mid_p(lost: int, gained: int) -> float:
    """Every split of the flips, weighed by its chance: more one-sided ones, and half the equal."""
    flips = lost + gained
    aside = abs(lost - gained)
    more = sum(math.comb(flips, k) for k in range(flips + 1) if abs(flips - 2 * k) > aside)
    equal = sum(math.comb(flips, k) for k in range(flips + 1) if abs(flips - 2 * k) == aside)
    return (2 * more + equal) / (2 * 2**flips)


@given(st.integers(0, 60), st.integers(0, 60))
def test_mid_p_mcnemar_weighs_every_split(lost: int, gained: int) -> None:
    found = mcnemar_mid_p(lost, gained)
    if lost + gained == 0:
        assert found == 1  # by the formula one half, but nothing flipped
        return
    assert found == pytest.approx(enumerated_mid_p(lost, gained), rel=1e-9)
    assert found == mcnemar_mid_p(gained, lost)
    assert 0 < found <= 1


@given(st.integers(0, 3000), st.integers(0, 3000))
def test_mid_p_mcnemar_is_scipys_exact_test_less_the_chance_of_what_was_seen(
    lost: int, gained: int
) -> None:
    flips = lost + gained
    if flips == 0:
        return
    exact = stats.binomtest(lost, flips).pvalue
    seen = stats.binom(flips, 0.5).pmf(lost)
    expected = exact - (seen / 2 if lost == gained else seen)
    assert mcnemar_mid_p(lost, gained) == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_mid_p_mcnemar_of_fagerlands_first_example() -> None:
    """BMC Med. Res. Methodol. 13:91: 1 against 7 flips; the exact test gives .070."""
    assert mcnemar_mid_p(1, 7) == pytest.approx(0.039, abs=5e-4)


@given(st.lists(st.none() | st.floats(0, 1), max_size=12), st.floats(0.001, 0.999))
def test_holm_rejects_what_his_steps_reject(p_values: list[float | None], level: float) -> None:
    """His own procedure, step by step, at some level; the adjusted values only restate it."""
    waiting = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    rejected = set()
    while waiting and waiting[0][0] <= level / len(waiting):
        rejected.add(waiting.pop(0)[1])
    adjusted = holm(p_values)
    assert [p is None for p in adjusted] == [p is None for p in p_values]
    for place, p in enumerate(adjusted):
        if p is not None and abs(p - level) > 1e-9:
            assert (p <= level) == (place in rejected)
            assert p_values[place] <= p <= 1  # type: ignore[operator]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.randoms())
def test_holm_does_not_depend_on_the_order(p_values: list[float], random: Random) -> None:
    order = list(range(len(p_values)))
    random.shuffle(order)
    assert holm([p_values[place] for place in order]) == [holm(p_values)[place] for place in order]


@given(st.integers(0, 400), st.integers(0, 400), st.integers(0, 400))
def test_a_paired_difference_lies_in_its_interval(lost: int, gained: int, same: int) -> None:
    n = lost + gained + same
    found = paired_difference(lost, gained, n)
    if n == 0:
        assert found.value is None
        return
    assert found.value == (gained - lost) / n
    assert found.low is not None
    assert found.high is not None
    assert -1 <= found.low <= found.value <= found.high <= 1
    mirrored = paired_difference(gained, lost, n)
    assert mirrored.low == pytest.approx(-found.high)


def test_without_a_flip_a_difference_is_not_known_exactly() -> None:
    found = paired_difference(0, 0, 200)
    assert found.value == 0
    assert found.low == -found.high  # type: ignore[operator]
    assert found.high > 0.01  # type: ignore[operator]


@pytest.mark.parametrize(("down", "up"), [(0.02, 0.02), (0.1, 0.04), (0.0, 0.05)])
def test_a_paired_difference_is_covered_as_promised(down: float, up: float) -> None:
    rng = np.random.default_rng(7)
    covered = 0
    for lost, gained, _ in rng.multinomial(100, [down, up, 1 - down - up], size=1000):
        found = paired_difference(int(lost), int(gained), 100)
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= up - down <= found.high
    assert stats.binomtest(covered, 1000, 0.95, alternative="less").pvalue > 0.001


def test_paired_bootstrap_agrees_with_a_permutation_test() -> None:
    """Of a mean, where an exchange of the two sides is a change of sign."""
    rng = np.random.default_rng(8)
    change = rng.normal(0.25, 1, 120)
    found, p = paired_bootstrap(lambda at: change[at].mean(axis=1), 120)
    theirs = stats.permutation_test(
        (change, np.zeros(120)), lambda a, b, axis: (a - b).mean(axis=axis),
        permutation_type="samples", n_resamples=20_000, rng=1,
    )  # fmt: skip
    assert found.value == pytest.approx(change.mean())
    assert p == pytest.approx(theirs.pvalue, rel=0.25)


def test_paired_bootstrap_finds_few_false_differences() -> None:
    rng = np.random.default_rng(9)
    found = 0
    for _ in range(300):
        change = rng.exponential(1, 80) - 1
        _, p = paired_bootstrap(lambda at: change[at].mean(axis=1), 80, resamples=500)  # noqa: B023
        assert p is not None
        found += p < 0.05
    assert stats.binomtest(found, 300, 0.05, alternative="greater").pvalue > 0.001


def test_paired_bootstrap_says_nothing_of_too_few_pairs() -> None:
    for n in range(FEWEST_PAIRS):
        estimate, p = paired_bootstrap(lambda at: np.ones(len(at)), n)
        assert p is None
        assert estimate.low is None
    same, p = paired_bootstrap(lambda at: np.zeros(len(at)), 50)
    assert (same.value, same.low, same.high, p) == (0, 0, 0, 1)
