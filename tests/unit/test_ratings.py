"""Ratings by games: published numbers, another implementation, and what has no rating."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from frontier.stats import ratings as module
from frontier.stats.ratings import (
    CENTRE,
    SCALE,
    Game,
    Results,
    covariance,
    elo,
    log_likelihood,
    ratings,
    strengths,
    unrated,
)

TEAMS = ("Mil", "Det", "Tor", "NY", "Bos", "Cle", "Bal")
# The American League of 1987: Agresti, "Categorical Data Analysis", section 10.6.
WON = np.array(
    [
        [0, 7, 9, 7, 7, 9, 11],
        [6, 0, 7, 5, 11, 9, 9],
        [4, 6, 0, 7, 7, 8, 12],
        [6, 8, 6, 0, 6, 7, 10],
        [6, 2, 6, 7, 0, 7, 12],
        [4, 4, 5, 6, 6, 0, 6],
        [2, 4, 1, 3, 1, 7, 0],
    ],
    dtype=float,
)
EACH_ITS_OWN = np.stack(
    [
        np.outer(np.eye(7)[one], np.eye(7)[other])
        for one in range(7)
        for other in range(7)
        for _ in range(int(WON[one, other]))
    ]
)


def errors_from(last: int, of: np.ndarray) -> np.ndarray:
    """The standard errors of the differences from one player."""
    variances = np.diag(of) + of[last, last] - 2 * of[last]
    return np.sqrt(np.delete(variances, last))


def test_the_american_league_of_1987() -> None:
    found = strengths(WON)
    assert found[:6] - found[6] == pytest.approx(
        [1.581, 1.436, 1.294, 1.248, 1.108, 0.684], abs=5e-4
    )
    assert log_likelihood(WON, found) == pytest.approx(-172.248, abs=5e-4)
    assert CENTRE + SCALE * found == pytest.approx(
        [1092.3, 1067.1, 1042.4, 1034.3, 1010.0, 936.4, 817.6], abs=0.05
    )
    information = np.linalg.pinv(module._information(WON, found))
    assert errors_from(6, information) == pytest.approx(
        [0.343, 0.340, 0.337, 0.336, 0.334, 0.332], abs=5e-4
    )
    sandwich = covariance(Results(TEAMS, EACH_ITS_OWN), found)
    assert errors_from(6, sandwich) == pytest.approx(
        [0.339, 0.347, 0.320, 0.336, 0.316, 0.342], abs=5e-4
    )
    assert SCALE * np.sqrt(np.diag(sandwich)) == pytest.approx(
        [36.1, 36.1, 33.9, 35.7, 33.7, 37.2, 39.7], abs=0.05
    )


def test_the_whole_table_of_ratings() -> None:
    games = [
        Game(TEAMS[one], TEAMS[other], 1.0, f"{one}-{other}-{time}")
        for one in range(7)
        for other in range(7)
        for time in range(int(WON[one, other]))
    ]
    found = ratings(games)
    assert [row.player for row in found] == list(TEAMS)
    assert [row.games for row in found] == [78] * 7
    assert sum(row.wins for row in found) == len(games)
    assert found[0].rank == 1
    assert found[-1].rank is not None
    assert found[-1].rank >= 6
    for row in found:
        assert row.estimate.low is not None
        assert row.estimate.high is not None
        assert row.estimate.low < (row.estimate.value or 0) < row.estimate.high


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_strengths_are_a_logistic_regression_without_a_penalty(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pairs = [(one, other) for one in range(4) for other in range(4) if one < other]
    rows = [(one, other, rng.choice([0, 0.5, 1])) for one, other in pairs for _ in range(12)]
    won = np.zeros((4, 4))
    for one, other, score in rows:
        won[one, other] += score
        won[other, one] += 1 - score
    assert unrated(won) is None
    design = np.array([np.eye(4)[one] - np.eye(4)[other] for one, other, _ in rows])
    scores = np.array([score for _, _, score in rows])
    model = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10, max_iter=10_000)
    twice, labels = np.vstack([design, design]), np.repeat([1, 0], len(rows))
    model.fit(twice, labels, sample_weight=np.concatenate([scores, 1 - scores]))
    theirs = model.coef_[0] - model.coef_[0].mean()
    assert strengths(won) == pytest.approx(theirs, abs=1e-4)


def test_a_penalty_would_shrink_the_strengths() -> None:
    """The figures of the same games with scikit-learn's default, which ours must not be."""
    shrunk = np.array([1.534, 1.393, 1.255, 1.209, 1.073, 0.660])
    found = strengths(WON)
    assert (found[:6] - found[6] > shrunk).all()


@pytest.mark.parametrize(
    ("games", "reason"),
    [
        ([("a", "b", 1.0), ("a", "b", 1.0)], "lost, or won, all"),
        ([("a", "b", 0.5), ("c", "d", 0.5)], "not even through third"),
        ([("a", "b", 0.5), ("b", "a", 1.0), ("b", "c", 1.0)], "lost, or won, all"),
    ],
)
def test_games_without_finite_ratings(games: list[tuple[str, str, float]], reason: str) -> None:
    rows = ratings(Game(*game, str(place)) for place, game in enumerate(games))
    for row in rows:
        assert row.estimate.value is row.estimate.low is row.rank is None
        assert reason in row.estimate.method


def test_few_questions_have_ratings_without_intervals() -> None:
    games = [Game("a", "b", 0.5, str(place)) for place in range(4)]
    one, other = ratings([*games, Game("a", "b", 1.0, "4")])
    assert one.estimate.value is not None
    assert other.estimate.value is not None
    assert one.estimate.value > 1000 > other.estimate.value
    assert one.estimate.low is one.rank is None
    assert "fewer than 6 questions" in one.estimate.method


def test_ratings_of_few_decided_games_have_no_interval() -> None:
    """Twenty equal answers and one win: the spread of one question is not known."""
    ties = [Game("a", "b", 0.5, str(place)) for place in range(30)]
    for games in (ties, [*ties, Game("a", "b", 1.0, "30")]):
        one, _ = ratings(games)
        assert one.estimate.value is not None
        assert one.estimate.low is one.rank is None
        assert "fewer than 10 questions with a win or a loss" in one.estimate.method


def test_games_of_one_question_count_as_one() -> None:
    """The same games twenty times knows no more than once."""
    rng = np.random.default_rng(4)
    scores = rng.integers(0, 3, 40) / 2
    once = [Game("a", "b", float(score), str(at)) for at, score in enumerate(scores)]
    narrow, wide = ratings(once)[0], ratings(once * 20)[0]
    assert wide.estimate.value == pytest.approx(narrow.estimate.value)
    assert wide.estimate.high == pytest.approx(narrow.estimate.high)


def test_a_game_has_two_players_and_a_score() -> None:
    with pytest.raises(ValueError, match="no game"):
        ratings([Game("a", "a", 1.0, "0")])
    with pytest.raises(ValueError, match="no game"):
        ratings([Game("a", "b", -1.0, "0")])
    assert ratings([]) == []


def test_elo_is_a_history() -> None:
    games = [
        Game("a", "b", 1.0, "0"), Game("b", "c", 0.5, "1"), Game("c", "a", 1.0, "2"),
        Game("a", "b", 1.0, "3"),
    ]  # fmt: skip
    *_, last = elo(games)
    assert last == pytest.approx({"a": 1001.977, "b": 996.0229, "c": 1002.0001}, abs=5e-4)
    *_, other = elo(games[::-1])
    assert other != pytest.approx(last, abs=1e-3)
