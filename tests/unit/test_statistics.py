"""Intervals against scipy's, and what a small sample must not pretend to know."""

from __future__ import annotations

import math
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from frontier.stats.intervals import quantile_interval, quantile_p, quantile_ranks, wilson
from frontier.stats.jackknife import FEWEST, LOG, jackknife, logit_up_to
from frontier.stats.serial import INDEPENDENT, Serial, serial
from frontier.stats.significance import holm, mcnemar_mid_p, paired_difference


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
    if low < 1 or high > n:
        assert ranks is None
        return
    assert ranks is not None
    # Between whole ranks, one of which is a little too near and one a little too far.
    assert low - 1e-6 <= ranks[0] < low + 1 + 1e-6
    assert high - 1 - 1e-6 < ranks[1] <= high + 1e-6
    for rank, chance in zip(ranks, (tail, 1 - tail), strict=True):
        assert stats.beta(rank, n + 1 - rank).sf(q) == pytest.approx(chance, abs=1e-6)


@given(n=st.integers(6, 400), share=st.floats(0.3, 1))
def test_values_that_say_less_have_wider_ranks(n: int, share: float) -> None:
    whole, fewer = quantile_ranks(n, 0.5), quantile_ranks(n, 0.5, effective=share * n)
    assert whole is not None
    if fewer is not None:
        assert fewer[0] <= whole[0] + 1e-6
        assert fewer[1] >= whole[1] - 1e-6


@given(
    st.lists(st.integers(-20, 40), min_size=6, max_size=60),
    st.sampled_from([0.8, 0.95, 0.99]),
    st.sampled_from([0.25, 0.5, 0.9]),
    st.floats(0, 0.8),
)
def test_a_quantiles_p_value_and_its_interval_agree(
    places: list[int], confidence: float, q: float, lag1: float
) -> None:
    values, timed = np.exp(np.array(places) / 10), Serial(lag1)
    found = quantile_interval(values, q, confidence, timed=timed)
    if found is None or found.low is None or found.high is None:
        return
    p = quantile_p(values, q, 1.0, timed=timed)
    if abs(p - (1 - confidence)) > 1e-6:
        assert (p < 1 - confidence) == (not found.low <= 1 <= found.high)


@given(st.lists(st.floats(-1, 1).filter(bool), min_size=1, max_size=300))
def test_the_p_of_a_median_lies_in_the_step_of_scipys_sign_test(values: list[float]) -> None:
    """It is interpolated between the steps, and equal where all values are on one side."""
    n, fewer = len(values), min(sum(v < 0 for v in values), sum(v > 0 for v in values))
    p = quantile_p(values, 0.5, 0.0)
    assert p <= stats.binomtest(fewer, n).pvalue * (1 + 1e-9)
    step = 2 * stats.binom(n, 0.5).cdf(max(fewer - 1, 0))
    assert p >= min(1, step) * (1 - 1e-9)


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
    assert found.low is not None
    assert found.high is not None
    assert min(values) <= found.low <= found.value <= found.high <= max(values)
    random.shuffle(values)
    assert quantile_interval(values, 0.5) == found


def test_a_quantile_outside_0_and_1_is_refused() -> None:
    with pytest.raises(ValueError, match="99"):
        quantile_interval([1.0, 2.0], 99)


def rate(totals: np.ndarray) -> np.ndarray:
    return totals[:, 0] / totals[:, 1]


@given(st.lists(st.integers(-5000, 5000), min_size=FEWEST, max_size=80))
def test_the_interval_of_a_mean_is_scipys_t_but_for_skewness(values: list[int]) -> None:
    array = np.array(values) / 100
    counts = np.column_stack([array, np.ones(len(array))])
    found, p = jackknife(rate, counts)
    if found.low is None:
        assert stats.sem(array) < 1e-6 * max(1, np.abs(array).max())
        return
    widened = 1 + 1.08 * stats.skew(array, bias=False) ** 2 / len(array)
    theirs = stats.t.interval(0.95, len(array) - 1, array.mean(), stats.sem(array) * widened)
    assert (found.low, found.high) == pytest.approx(theirs, rel=1e-5, abs=1e-5)
    statistic = array.mean() / (stats.sem(array) * widened)
    assert p == pytest.approx(2 * stats.t(len(array) - 1).sf(abs(statistic)), rel=1e-4, abs=1e-9)
    assert (p < 0.05) == (not found.low <= 0 <= found.high)


def test_the_standard_error_of_a_rate_of_totals_is_cochrans() -> None:
    """Tokens per second is a ratio of sums; the spread is that of requests, not of their rates."""
    rng = np.random.default_rng(4)
    tokens = rng.integers(1, 64, 400).astype(float)
    seconds = tokens * rng.uniform(0.01, 0.03, 400)
    found = jackknife(rate, np.column_stack([tokens, seconds]), scale=LOG).estimate
    assert found.value == pytest.approx(tokens.sum() / seconds.sum())
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    residuals = (tokens - found.value * seconds) / seconds.mean()
    half = stats.t(399).ppf(0.975) * stats.sem(residuals) / found.value
    assert np.log(found.high / found.low) / 2 == pytest.approx(half, rel=0.01)


def test_a_jackknife_agrees_with_scipys_bootstrap_where_both_are_right() -> None:
    values = np.random.default_rng(1).lognormal(0, 0.3, size=300)
    expected = stats.bootstrap((values,), np.mean, method="BCa", rng=1).confidence_interval
    counts = np.column_stack([values, np.ones(300)])
    found = jackknife(rate, counts, scale=LOG).estimate
    width = expected.high - expected.low
    assert found.low == pytest.approx(expected.low, abs=0.06 * width)
    assert found.high == pytest.approx(expected.high, abs=0.06 * width)


@pytest.mark.parametrize(
    ("values", "value", "reason"),
    [
        ([], None, ""),
        ([2.0], 2.0, "fewer than 6 requests"),
        ([2.0] * 50, 2.0, "all requests are alike"),
        ([0.0] * 50, 0.0, "all requests are alike"),
        ([math.nan] * 9, None, ""),
    ],
)
def test_a_jackknife_says_nothing_it_cannot_know(
    values: list[float], value: float | None, reason: str
) -> None:
    counts = np.column_stack([values, np.ones(len(values))])
    found = jackknife(lambda totals: totals[:, 0] / len(values), counts).estimate
    assert (found.value, found.low, found.high) == (value, None, None)
    assert reason in found.method


@given(st.lists(st.floats(0, 100), min_size=FEWEST, max_size=40))
def test_a_score_stays_between_0_and_its_top(points: list[float]) -> None:
    counts = np.column_stack([points, np.ones(len(points))])
    found = jackknife(rate, counts, scale=logit_up_to(100)).estimate
    if found.low is None:
        assert "no interval: " in found.method
        return
    assert found.high is not None
    assert 0 <= found.low <= found.value + 1e-9
    assert found.value - 1e-9 <= found.high <= 100


def autoregressive(n: int, lag1: float, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal(n)
    for place in range(1, n):
        noise[place] = lag1 * noise[place - 1] + math.sqrt(1 - lag1**2) * noise[place]
    return noise


@pytest.mark.parametrize("lag1", [0.0, 0.3, 0.6, 0.9])
def test_the_autocorrelation_of_times_is_found(lag1: float) -> None:
    times = np.exp(autoregressive(5000, lag1, 2))
    assert serial(times).lag1 == pytest.approx(lag1, abs=0.04)
    stalled = times.copy()
    stalled[::97] *= 1e4  # a few stalls do not hide it
    assert serial(stalled).lag1 == pytest.approx(lag1, abs=0.1)


def test_long_answers_do_not_hide_a_drift() -> None:
    tokens = np.random.default_rng(3).integers(1, 200, 3000)
    drift = autoregressive(3000, 0.9, 4)
    found = serial(tokens * np.exp(0.2 * drift), [tokens])
    assert found.lag1 == pytest.approx(0.9, abs=0.05)
    assert found.share < 0.15
    assert serial(tokens * np.exp(0.2 * drift)).lag1 < 0.2  # the sizes are what shows it


@pytest.mark.parametrize("q", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("lag1", [0.3, 0.8])
def test_a_quantile_is_widened_as_far_as_an_autoregressive_process_spreads(
    q: float, lag1: float
) -> None:
    """The variance of the share below, by scipy's bivariate normal distribution."""
    z = stats.norm.ppf(q)
    both = [
        stats.multivariate_normal([0, 0], [[1, lag1**k], [lag1**k, 1]]).cdf([z, z])
        for k in range(1, 60)
    ]
    expected = 1 + 2 * sum((each - q * q) / (q * (1 - q)) for each in both)
    assert Serial(lag1).of_quantile(q) == pytest.approx(expected, rel=0.01)


def test_times_without_autocorrelation_are_worth_themselves() -> None:
    assert INDEPENDENT.of_quantile(0.5) == INDEPENDENT.of_mean(np.arange(3.0)) == 1
    assert serial([1.0] * 50) == serial([]) == INDEPENDENT
    assert serial(np.arange(1.0, 51.0), [np.arange(1.0, 51.0) - 1]) == INDEPENDENT
    assert serial([0.0, 1.0] * 30).lag1 == 0  # negative: intervals are only ever widened


@given(
    st.lists(st.floats(1e-7, 1e7), min_size=1, max_size=60),
    st.lists(st.integers(0, 10**6), min_size=60, max_size=60),
)
def test_any_times_have_an_autocorrelation(times: list[float], tokens: list[int]) -> None:
    """Times that are nearly equal, or that their sizes explain, have one too."""
    for values in (times, np.exp(np.log1p(tokens[: len(times)])), [0.1 + 0.2] * len(times)):
        found = serial(values, [tokens[: len(times)], [7] * len(times)])
        assert 0 <= found.lag1 < 1
        assert 0 <= found.share <= 1
        assert found.of_quantile(0.5) >= 1


def test_a_drift_that_leaves_too_little_is_no_interval() -> None:
    times = np.exp(np.linspace(0, 1, 60))
    found = quantile_interval(times, 0.5, timed=serial(times))
    assert found is not None
    assert found.value == pytest.approx(math.exp(0.5), rel=1e-3)
    assert (found.low, found.high) == (None, None)
    assert "no interval: too few" in found.method
    assert "lag-1 autocorrelation 0.97" in found.method


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
        assert found == 1  # one half by the formula, but nothing flipped
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


def test_a_paired_difference_of_means_agrees_with_a_permutation_test() -> None:
    """The permutation swaps the two sides, which changes the sign of a difference."""
    rng = np.random.default_rng(8)
    change = rng.normal(0.25, 1, 120)
    found, p = jackknife(rate, np.column_stack([change, np.ones(120)]))
    theirs = stats.permutation_test(
        (change, np.zeros(120)), lambda a, b, axis: (a - b).mean(axis=axis),
        permutation_type="samples", n_resamples=20_000, rng=1,
    )  # fmt: skip
    assert found.value == pytest.approx(change.mean())
    assert p == pytest.approx(theirs.pvalue, rel=0.25)
