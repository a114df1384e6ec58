"""Bootstrap intervals against scipy's, and their agreement with their p-values."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from frontier.stats.bootstrap import bootstrap, mean, ratio


@pytest.mark.parametrize("n", [10, 40, 200])
def test_intervals_of_means_are_scipys(n: int) -> None:
    values = np.random.default_rng(n).beta(2, 5, n)
    found = bootstrap(mean, values[:, np.newaxis], resamples=20_000).estimate
    theirs = stats.bootstrap((values,), np.mean, n_resamples=20_000, method="BCa", rng=1)
    assert found.value == pytest.approx(values.mean())
    width = theirs.confidence_interval.high - theirs.confidence_interval.low
    assert found.low == pytest.approx(theirs.confidence_interval.low, abs=width / 20)
    assert found.high == pytest.approx(theirs.confidence_interval.high, abs=width / 20)
    assert bootstrap(mean, values[:, np.newaxis], resamples=20_000).estimate == found


def test_a_ratio_is_of_totals() -> None:
    rng = np.random.default_rng(3)
    rows = np.column_stack([rng.integers(0, 4, 60), rng.integers(4, 9, 60)]).astype(float)
    found = bootstrap(ratio, rows).estimate
    total = rows.sum(axis=0)
    assert found.value == pytest.approx(total[0] / total[1])
    assert found.low is not None
    assert found.high is not None
    assert found.low < total[0] / total[1] < found.high


@pytest.mark.parametrize("shift", [-0.3, -0.12, -0.1, 0.0, 0.08, 0.1, 0.12, 0.3, 3.0])
def test_p_is_below_5_percent_if_the_interval_excludes_0(shift: float) -> None:
    values = np.random.default_rng(5).gamma(2, 0.2, 50) - 0.4 + shift
    found, p = bootstrap(mean, values[:, np.newaxis])
    assert p is not None
    assert found.low is not None
    assert found.high is not None
    assert (p < 0.05) == (not found.low <= 0 <= found.high) or abs(p - 0.05) < 0.002
    if abs(shift) == 3:  # far beyond every resample
        assert p < 1e-20


def test_what_has_no_interval_says_why() -> None:
    few = bootstrap(mean, np.ones((3, 1)))
    assert few.estimate.value == 1
    assert "fewer than" in few.estimate.method
    alike = bootstrap(mean, np.zeros((9, 1)))
    assert (alike.estimate.value, alike.estimate.low, alike.p) == (0, None, 1)
    assert bootstrap(mean, np.zeros((0, 1))).estimate.value is None
    assert bootstrap(ratio, np.zeros((9, 2))).estimate.value is None
