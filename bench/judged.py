"""Populations of judged studies whose truth is known: ratings on a scale, preferences, games."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from populations import Condition, Draw

from frontier.stats.clustered import clustered_mean
from frontier.stats.jackknife import Tested
from frontier.stats.length_control import length_controlled
from frontier.stats.preferences import TIE, merged, win_rate
from frontier.stats.ratings import CENTRE, SCALE, Game, ratings

TURNS = 2
SAME = 0.65
"""The share of questions on which a judge says the same in both orders, whatever is better."""
STRENGTHS = {"a": 0.8, "b": 0.2, "c": -0.3, "d": -0.7}


def rated(rng: np.random.Generator, n: int, alike: float) -> list[list[float]]:
    """The ratings of both turns of n questions, from 1 to 10, correlated within a question."""
    shared = rng.standard_normal((n, 1)) * np.sqrt(alike)
    noise = shared + rng.standard_normal((n, TURNS)) * np.sqrt(1 - alike)
    found: list[list[float]] = np.clip(np.round(7 + 2 * noise), 1, 10).tolist()
    return found


def mean_rating(alike: float) -> Draw:
    """The mean of all turns, clustered by question."""

    def draw(rng: np.random.Generator, n: int) -> Tested:
        turns = rated(rng, n, alike)
        values = [value for question in turns for value in question]
        questions = [place for place in range(n) for _ in range(TURNS)]
        return clustered_mean(values, questions, bounds=(1, 10))

    return draw


def mean_ratings() -> Iterator[Condition]:
    """MT-Bench's mean rating: independent turns, and turns that resemble each other."""
    truth = float(np.mean(rated(np.random.default_rng(0), 1_000_000, 0.0)))
    for alike in (0.0, 0.6):
        name = f"two turns, correlation {alike:g}"
        yield Condition("rating", name, truth, mean_rating(alike))


def verdicts(rng: np.random.Generator, n: int, better: float) -> list[float]:
    """Merged preferences of n pairs, of which the judge prefers a share in each order."""
    first = rng.random(n) < better
    second = np.where(rng.random(n) < SAME, first, rng.random(n) < better)
    pairs = zip(first.astype(float), second.astype(float), strict=True)
    return [one for pair in pairs if (one := merged(*pair)) is not None]


def win_rates() -> Iterator[Condition]:
    """The rate of wins with ties as halves, of pairs in both orders."""
    for better in (0.5, 0.7, 0.9):

        def draw(rng: np.random.Generator, n: int, better: float = better) -> Tested:
            return win_rate(verdicts(rng, n, better), range(n))

        yield Condition("win rate", f"{better:.0%} better", better, draw, better == TIE)


def played(rng: np.random.Generator, n: int) -> list[Game]:
    """All pairs of four players on n questions in both orders, which often agree."""
    names = list(STRENGTHS)
    found = []
    for question in range(n):
        for place, one in enumerate(names):
            for other in names[place + 1 :]:
                chance = 1 / (1 + np.exp(STRENGTHS[other] - STRENGTHS[one]))
                first = float(rng.random() < chance)
                second = first if rng.random() < SAME else float(rng.random() < chance)
                found.append(Game(one, other, first, str(question)))
                found.append(Game(other, one, 1 - second, str(question)))
    return found


def arenas() -> Iterator[Condition]:
    """The best and the third player's rating."""
    for player in ("a", "c"):

        def draw(rng: np.random.Generator, n: int, player: str = player) -> Tested:
            rows = ratings(played(rng, n))
            own = next(row for row in rows if row.player == player)
            return Tested(own.estimate, None)

        yield Condition("arena", f"player {player}", CENTRE + SCALE * STRENGTHS[player], draw)

    def alike(rng: np.random.Generator, n: int) -> Tested:
        games = [
            Game("a", "b", float(rng.random() < 0.6) if rng.random() < 0.3 else TIE, str(at))
            for at in range(n)
        ]
        own = next(row for row in ratings(games) if row.player == "a")
        return Tested(own.estimate, None)

    # 0.3 of the games are decided, 0.6 of those for a, and ties are half a win: 0.53.
    truth = CENTRE + SCALE * float(np.log(0.53 / 0.47)) / 2
    yield Condition("arena", "most answers are equal", truth, alike)


def lengths() -> Iterator[Condition]:
    """The rate at equal lengths, where longer answers are liked more and the model writes them."""
    for strength in (0.4, 1.4):

        def draw(rng: np.random.Generator, n: int, strength: float = strength) -> Tested:
            difference = rng.normal(-100, 400, n)
            logit = strength - 0.8 * np.tanh(difference / 400)
            likes = rng.random(n) < 1 / (1 + np.exp(-logit))
            return Tested(length_controlled(likes, difference).estimate, None)

        truth = float(1 / (1 + np.exp(-strength)))
        yield Condition("equal length", f"longer is liked more, {truth:.0%} better", truth, draw)
