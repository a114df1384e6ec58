"""pass@k: published numbers, and what must hold for any samples."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontier.stats.clustered import clustered_share
from frontier.stats.intervals import wilson
from frontier.stats.pass_at_k import mean_pass_at_k, pass_at_k


@pytest.mark.parametrize(
    ("n", "c", "k", "expected"),
    [(5, 2, 1, 0.4), (5, 2, 2, 0.7), (10, 3, 5, 0.916667), (200, 1, 100, 0.5), (20, 0, 10, 0),
     (20, 19, 2, 1)],
)  # fmt: skip
def test_pass_at_k(n: int, c: int, k: int, expected: float) -> None:
    assert pass_at_k(n, c, k) == pytest.approx(expected, abs=5e-7)


@given(st.integers(1, 9), st.data())
def test_pass_at_k_is_the_share_of_draws(n: int, data: st.DataObject) -> None:
    """All draws of k samples without replacement are counted."""
    c, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    draws = list(combinations([1] * c + [0] * (n - c), k))
    assert pass_at_k(n, c, k) == pytest.approx(sum(any(one) for one in draws) / len(draws))


@pytest.mark.parametrize(("n", "c", "k"), [(3, 1, 4), (3, 1, 0), (3, 4, 1), (3, -1, 1)])
def test_impossible_samples(n: int, c: int, k: int) -> None:
    with pytest.raises(ValueError, match="pass@"):
        pass_at_k(n, c, k)


def test_one_sample_of_each_problem_has_wilsons_interval() -> None:
    assert mean_pass_at_k([[1.0], [0.0], [1.0]], 1) == wilson(2, 3)


def test_problems_without_enough_samples_are_left_out() -> None:
    """Nothing is known where no problem has enough."""
    problems = [[1.0, 0.0, 0.0]] * 10 + [[1.0]]
    assert mean_pass_at_k(problems, 2).value == pytest.approx(2 / 3)
    found = mean_pass_at_k(problems, 4)
    assert (found.value, found.method) == (None, "none: no problem has 4 samples")


@given(
    st.lists(st.lists(st.sampled_from([0.0, 1.0]), min_size=4, max_size=4), min_size=1, max_size=30)
)
def test_intervals_stay_inside(problems: list[list[float]]) -> None:
    """Within 0 and 1, around the value, at the ends too."""
    found = mean_pass_at_k(problems, 1)
    flat = [value for one in problems for value in one]
    assert found.value == pytest.approx(sum(flat) / len(flat))
    if found.low is not None and found.high is not None and found.value is not None:
        assert 0 <= found.low <= found.value + 1e-12
        assert found.value - 1e-12 <= found.high <= 1


def test_equal_samples_tell_no_more_than_one() -> None:
    """Ten copies of an answer: the interval is about that of single answers, not √10 narrower."""
    single = [[float(n % 3 == 0)] for n in range(90)]
    copied = [one * 10 for one in single]
    alone, many = wilson(30, 90), mean_pass_at_k(copied, 1)
    assert many.value == alone.value
    assert many.low is not None
    assert alone.low is not None
    assert many.low == pytest.approx(alone.low, abs=0.01)


def test_all_right_or_all_wrong_is_no_certainty() -> None:
    """One answer to each question is what is known."""
    found = mean_pass_at_k([[1.0] * 5] * 20, 1)
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low == wilson(20, 20).low
    assert mean_pass_at_k([], 1).value is None
    assert clustered_share([], []).value is None
    assert clustered_share([0.5], ["one"]).low is None


def test_unequal_numbers_of_samples_count_by_problem() -> None:
    """Some of a problem's samples may be unscored."""
    problems = [[1.0], [0.0, 0.0], [1.0, 0.0, 1.0, 0.0]] * 5
    assert mean_pass_at_k(problems, 1).value == pytest.approx(0.5)
