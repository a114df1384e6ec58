"""Bootstrap intervals against scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from frontier.stats.bootstrap import bootstrap, mean, ratio


@pytest.mark.parametrize("n", [10, 40, 200])
def test_intervals_of_means_are_scipys(n: int) -> None:
    values = np.random.default_rng(n).beta(2, 5, n)
    found = bootstrap(mean, values[:, np.newaxis], resamples=20_000)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=20_000, method="BCa", rng=1)
    assert found.value == pytest.approx(values.mean())
    width = theirs.confidence_interval.high - theirs.confidence_interval.low
    assert found.low == pytest.approx(theirs.confidence_interval.low, abs=width / 20)
    assert found.high == pytest.approx(theirs.confidence_interval.high, abs=width / 20)
    assert bootstrap(mean, values[:, np.newaxis], resamples=20_000) == found


def test_a_ratio_is_of_totals() -> None:
    rng = np.random.default_rng(3)
    rows = np.column_stack([rng.integers(0, 4, 60), rng.integers(4, 9, 60)]).astype(float)
    found = bootstrap(ratio, rows)
    total = rows.sum(axis=0)
    assert found.value == pytest.approx(total[0] / total[1])
    assert found.low is not None
    assert found.high is not None
    assert found.low < total[0] / total[1] < found.high


def test_what_has_no_interval_says_why() -> None:
    few = bootstrap(mean, np.ones((3, 1)))
    assert few.value == 1
    assert "fewer than" in few.method
    alike = bootstrap(mean, np.zeros((9, 1)))
    assert (alike.value, alike.low) == (0, None)
    assert bootstrap(mean, np.zeros((0, 1))).value is None
    assert bootstrap(ratio, np.zeros((9, 2))).value is None
