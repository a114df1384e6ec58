"""MLPerf's early stopping, against its published table and against the binomial distribution."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from frontier.stats import early_stopping
from frontier.stats.early_stopping import estimate, holds, most_over, required

OVER = (0, 1, 2, 3, 4, 5, 10, 20, 50, 100)
TABLE = {
    90: (44, 64, 81, 97, 113, 127, 197, 325, 681, 1246),
    99: (459, 662, 838, 1001, 1157, 1307, 2010, 3304, 6898, 12571),
    99.9: (4603, 6636),
}
PERCENTILES = st.sampled_from([50.0, 75.0, 90.0, 95.0, 97.0, 99.0, 99.9])


@pytest.mark.parametrize("percentile", TABLE)
def test_the_published_table(percentile: float) -> None:
    """It is that of MLPerf Inference's rules; LoadGen 6.0.17 asks for the same 459."""
    wanted = TABLE[percentile]
    assert tuple(required(over, percentile) for over in OVER[: len(wanted)]) == wanted


@pytest.mark.parametrize(
    ("percentile", "fewest"),
    [(50, 11), (90, 64), (95, 130), (97, 219), (99, 662), (99.9, 6636)],
)
def test_a_percentile_is_null_for_too_few(percentile: float, fewest: int) -> None:
    values = [float(value) for value in range(fewest)]
    assert estimate(values[1:], percentile) is None
    assert estimate(values, percentile) == fewest - 1  # the largest


def chance(over: int, queries: int, percentile: float) -> float:
    """P[Binomial(queries, 1 - percentile) <= over] by scipy."""
    return float(binom.cdf(over, queries, 1 - percentile / 100))


@given(trials=st.integers(1, 20_000), part=st.floats(0, 1), chance=st.floats(0.0005, 0.9995))
def test_the_binomial_distribution_is_scipys(trials: int, part: float, chance: float) -> None:
    """Over its whole range."""
    successes = int(part * trials)
    ours = early_stopping.at_most(successes, trials, chance)
    assert ours == pytest.approx(binom.cdf(successes, trials, chance), rel=1e-8, abs=1e-12)


@given(over=st.integers(0, 40), percentile=PERCENTILES)
def test_it_is_the_smallest_number(over: int, percentile: float) -> None:
    """At which so many over the limit are unlikely, if the percentile were over it."""
    found = required(over, percentile)
    assert chance(over, found, percentile) <= 1 - early_stopping.CONFIDENCE
    assert chance(over, found - 1, percentile) > 1 - early_stopping.CONFIDENCE


@given(queries=st.integers(0, 9000), over=st.integers(0, 60), percentile=PERCENTILES)
def test_what_may_exceed_the_limit(queries: int, over: int, percentile: float) -> None:
    """The number of queries is enough for that many, and for no more."""
    most = most_over(queries, percentile)
    if most is None:
        assert queries < required(0, percentile)
    else:
        assert required(most, percentile) <= queries < required(most + 1, percentile)
    assert holds(over, queries, percentile) == (None if most is None else over <= most)


@given(values=st.lists(st.floats(0, 1e6), min_size=64, max_size=400))
def test_the_estimate_is_a_bound(values: list[float]) -> None:
    """At the limit that it names, the percentile holds; a little below it does not."""
    found = estimate(values, 90)
    assert found is not None
    assert holds(sum(value > found for value in values), len(values), 90)
    assert found >= sorted(values)[math.ceil(0.9 * len(values)) - 1]


@pytest.mark.parametrize(("over", "percentile"), [(-1, 99), (0, 0), (0, 100), (3, 120)])
def test_what_has_no_meaning_is_refused(over: int, percentile: float) -> None:
    with pytest.raises(ValueError, match="no number of queries"):
        required(over, percentile)
