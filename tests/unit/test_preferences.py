"""Preferences, win rates, length control and clustered errors, against published numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from frontier.stats.clustered import clustered_mean, standard_error
from frontier.stats.length_control import (
    ADJUSTED,
    CONTROLLED,
    BaselineRows,
    length_controlled,
    logistic,
)
from frontier.stats.preferences import LOSS, TIE, WIN, averaged, by_probability, merged, win_rate

RATINGS, QUESTIONS = (8, 6, 9, 9, 3, 2, 10, 7), (1, 1, 2, 2, 3, 3, 4, 4)


@pytest.mark.parametrize(
    ("first", "second", "preference"),
    [
        (WIN, WIN, WIN), (LOSS, LOSS, LOSS), (WIN, LOSS, TIE), (LOSS, WIN, TIE), (WIN, TIE, TIE),
        (TIE, LOSS, TIE), (TIE, TIE, TIE), (WIN, None, None), (None, TIE, None), (None, None, None),
    ],
)  # fmt: skip
def test_a_win_needs_both_orders(
    first: float | None, second: float | None, preference: float | None
) -> None:
    assert merged(first, second) == preference


def test_probabilities_of_both_orders_are_averaged() -> None:
    assert averaged(0.25, 0.75) == 0.5
    assert averaged(0.25, None) is None


def test_a_preference_by_logprobs() -> None:
    found = by_probability(-0.017597, -4.048847)
    assert found is not None
    assert found + 1 == pytest.approx(1.98256, abs=5e-6)
    assert by_probability(None, -0.1) == 0
    assert by_probability(-0.1, None) == 1
    assert by_probability(-3.0, -3.0) == 0.5
    assert by_probability(None, None) is None
    assert by_probability(math.nan, -math.inf) is None


def test_clustered_standard_errors() -> None:
    assert np.mean(RATINGS) == 6.75
    assert standard_error(RATINGS, range(8)) == pytest.approx(1.0308, abs=5e-5)
    assert standard_error(RATINGS, QUESTIONS, corrected=False) == pytest.approx(1.2809, abs=5e-5)
    assert standard_error(RATINGS, QUESTIONS) == pytest.approx(1.4790, abs=5e-5)
    assert math.isnan(standard_error([1.0, 2.0], ["q", "q"]))
    with pytest.raises(ValueError, match="2 values in 1"):
        standard_error([1.0, 2.0], ["q"])


@given(st.lists(st.floats(-5, 5), min_size=6, max_size=40))
def test_repeating_answers_adds_no_knowledge(values: list[float]) -> None:
    names = [str(place) for place in range(len(values))]
    once, thrice = standard_error(values, names), standard_error(values * 3, names * 3)
    assert thrice == pytest.approx(once)


def test_a_clustered_mean_stays_within_its_bounds() -> None:
    values = [10, 10, 10, 9, 10, 10, 10, 10, 10, 5, 10, 10]
    found, p = clustered_mean(values, [place // 2 for place in range(12)], bounds=(1, 10))
    assert found.high == 10
    assert found.low is not None
    assert found.low < 9.5
    assert p is not None
    assert p < 0.05
    few, unknown = clustered_mean(RATINGS, QUESTIONS)
    assert (few.value, few.low, unknown) == (6.75, None, None)
    assert "fewer than 6 questions" in few.method
    assert clustered_mean([], []).estimate.value is None
    assert "alike" in clustered_mean([5.0] * 8, range(8)).estimate.method


def test_a_win_rate_counts_ties_as_halves() -> None:
    found, p = win_rate([WIN] * 30 + [TIE] * 40 + [LOSS] * 30, range(100))
    assert found.value == 0.5
    assert p == 1
    found, p = win_rate([WIN] * 60 + [TIE] * 20 + [LOSS] * 20, range(100))
    assert found.value == pytest.approx(0.7)
    assert found.low is not None
    assert found.low > 0.5
    assert p is not None
    assert p < 1e-4
    with pytest.raises(ValueError, match="between 0 and 1"):
        win_rate([-1.0], ["q"])
    assert win_rate([], []).estimate.value is None


def studied(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Preferences and differences in length of a judge who likes longer answers."""
    rng = np.random.default_rng(seed)
    difference = rng.normal(-200, 500, n)
    logit = 0.4 - 0.8 * np.tanh(difference / difference.std(ddof=1))
    return np.clip(1 / (1 + np.exp(-logit)) + rng.normal(0, 0.1, n), 0, 1), difference


@pytest.mark.parametrize("inverse_strength", [0.01, 0.1, 1.0, 100.0])
def test_the_regression_is_scikit_learns(inverse_strength: float) -> None:
    shares, difference = studied(300)
    features = np.column_stack([np.ones(300), np.tanh(difference / 500), np.sin(difference)])
    weights = np.where(np.arange(300) % 3 == 0, 0.1, 1.0)
    model = LogisticRegression(
        C=inverse_strength, l1_ratio=1, solver="saga", fit_intercept=False, tol=1e-9, max_iter=9999
    )
    both = np.concatenate([weights * shares, weights * (1 - shares)])
    model.fit(np.vstack([features, features]), np.repeat([1, 0], 300), sample_weight=both)
    found = logistic(features, shares, weights, inverse_strength)
    assert found == pytest.approx(model.coef_[0], abs=1e-4)


@pytest.mark.parametrize("apart", [1.0, 1e-3])
def test_the_regression_ends_at_its_minimum(apart: float) -> None:
    """No slope is left but the penalty's, even where two features hardly differ."""
    shares, difference = studied(200)
    first = np.tanh(difference / 500)
    noise = np.random.default_rng(8).normal(0, apart, 200)
    features = np.column_stack([first, first + noise])
    found = logistic(features, shares, np.ones(200), 1000.0)
    chances = 1 / (1 + np.exp(-features @ found))
    slope = 1000 * features.T @ (chances - shares)
    assert np.abs(slope[found != 0] + np.sign(found[found != 0])).max() < 0.01
    assert (np.abs(slope[found == 0]) <= 1.01).all()


def test_length_is_taken_out() -> None:
    shares, difference = studied(400)
    found = length_controlled(shares, difference)
    assert found.name == ADJUSTED
    assert found.estimate.value == pytest.approx(1 / (1 + np.exp(-0.4)), abs=0.02)
    assert found.estimate.value < shares.mean() - 0.02
    assert found.coefficients[1] < -0.5


def test_only_the_tables_give_the_published_name() -> None:
    shares, difference = studied(60)
    hard = np.random.default_rng(1).normal(0, 1, 60)
    rows = BaselineRows(np.full(20, 0.5), np.linspace(-900, 900, 20), hard[:20])
    whole = length_controlled(shares, difference, difficulties=hard, baseline=rows)
    assert whole.name == CONTROLLED
    assert len(whole.coefficients) == 3
    for part in ({"difficulties": hard}, {"baseline": rows}):
        assert length_controlled(shares, difference, **part).name == ADJUSTED


def test_no_rate_without_different_lengths() -> None:
    assert length_controlled([1.0] * 9, [4] * 9).estimate.value is None
    assert length_controlled([1.0] * 3, [4, 5, 6]).estimate.value is None


def test_a_rate_at_equal_lengths_of_few_questions_has_no_interval() -> None:
    """The simulation finds that it would hold less often than it promises."""
    shares, difference = studied(60)
    few = length_controlled(shares[:29], difference[:29]).estimate
    assert few.value is not None
    assert few.low is None
    assert "fewer than 30 questions" in few.method
    won = length_controlled([1.0] * 56 + [0.0] * 4, difference).estimate
    assert won.low is None
    assert "fewer than 5 wins or losses" in won.method
    known = length_controlled(shares, difference).estimate
    assert known.low is not None
    assert known.low < (known.value or 0) < (known.high or 1) < 1
