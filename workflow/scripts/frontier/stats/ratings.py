"""Ratings of players by the games between them: Bradley and Terry's model, and Elo's history.

P(a beats b) = 1 / (1 + exp(b - a)) for strengths a and b; a rating is 1000 + 400 / ln 10 times a
strength, whose mean over all players is 0. A tie is half a win. Source: Bradley & Terry, "Rank
analysis of incomplete block designs", Biometrika 39 (1952); with ties, Chiang et al., "Chatbot
Arena", ICML 2024.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from frontier.stats.intervals import CONFIDENCE, Estimate, percent
from frontier.stats.serial import Floats

CENTRE, SCALE = 1000.0, 400 / math.log(10)
FEWEST_CLUSTERS = 6
"""The fewest questions whose spread, and so an interval, is known."""
FEWEST_DECIDED = 10
"""The fewest questions with a win or a loss: ties alone, such as equal answers, have no spread."""
STEPS, CLOSE = 200, 1e-10


@dataclass(frozen=True)
class Game:
    """A game between two players: the first's score is 1 (won), 0.5 (a tie) or 0 (lost)."""

    first: str
    second: str
    score: float
    cluster: str
    """Games of one cluster depend on each other: those about one question."""


@dataclass(frozen=True)
class Rating:
    """A player's rating with its interval by sandwich errors."""

    player: str
    estimate: Estimate
    rank: int | None
    """1, and one more for each player whose interval is above this one's."""
    games: int
    wins: float
    """Ties count as a half."""


@dataclass(frozen=True)
class Results:
    """The games' results: `won[c, i, j]`, what i won against j within cluster c."""

    players: tuple[str, ...]
    won: Floats

    @classmethod
    def of(cls, games: Iterable[Game]) -> Results:
        """The results of games. Raises ValueError for a score outside [0, 1] or a game alone."""
        listed = list(games)
        for game in listed:
            if not 0 <= game.score <= 1 or game.first == game.second:
                raise ValueError(f"{game} is no game of two")
        players = sorted({name for game in listed for name in (game.first, game.second)})
        clusters = sorted({game.cluster for game in listed})
        place = {name: at for at, name in enumerate(players)}
        row = {name: at for at, name in enumerate(clusters)}
        won = np.zeros((len(clusters), len(players), len(players)))
        for game in listed:
            first, second = place[game.first], place[game.second]
            won[row[game.cluster], first, second] += game.score
            won[row[game.cluster], second, first] += 1 - game.score
        return cls(tuple(players), won)


def unrated(won: Floats) -> str | None:
    """The reason why wins `won[i, j]` of i against j have no finite ratings; None if they have.

    They have if "beat or tied" leads from each player to each other one. Source: Ford, "Solution of
    a ranking problem from binary comparisons", Amer. Math. Monthly 64 (1957).
    """
    from scipy.sparse.csgraph import connected_components

    if len(won) < 2:
        return "fewer than two players"
    if connected_components(won + won.T > 0, directed=False)[0] > 1:
        return "some players have no game with the others, not even through third ones"
    if connected_components(won > 0, directed=True, connection="strong")[0] > 1:
        return "some players lost, or won, all their games with the others"
    return None


def strengths(won: Floats) -> Floats:
    """The strengths of maximal likelihood, with mean 0, for wins that `unrated` finds fit.

    By Newton's method; each step is halved until the likelihood grows.
    """
    found: Floats = np.zeros(len(won))
    likelihood = log_likelihood(won, found)
    for _ in range(STEPS):
        step = np.linalg.solve(_information(won, found) + 1, _gradient(won, found))
        size = 1.0
        while log_likelihood(won, found + size * step) < likelihood and size > CLOSE:
            size /= 2
        found = found + size * step
        likelihood = log_likelihood(won, found)
        if float(np.abs(step).max()) < CLOSE:
            break
    centred: Floats = found - found.mean()
    return centred


def log_likelihood(won: Floats, strength: Floats) -> float:
    """The logarithm of the games' probability, of wins `won[i, j]`."""
    return float(-(won * np.logaddexp(0, strength[np.newaxis] - strength[:, np.newaxis])).sum())


def _chances(strength: Floats) -> Floats:
    """The probability that i beats j, in row i."""
    chances: Floats = 0.5 + np.tanh((strength[:, np.newaxis] - strength[np.newaxis]) / 2) / 2
    return chances


def _gradient(won: Floats, strength: Floats) -> Floats:
    """The derivative of the log-likelihood by each strength; of many games' at once."""
    games = won + won.swapaxes(-1, -2)
    gradient: Floats = (won - games * _chances(strength)).sum(axis=-1)
    return gradient


def _information(won: Floats, strength: Floats) -> Floats:
    """The negative second derivatives of the log-likelihood; its rows sum to 0."""
    chances = _chances(strength)
    weights = (won + won.T) * chances * (1 - chances)
    information: Floats = np.diag(weights.sum(axis=1)) - weights
    return information


def covariance(results: Results, strength: Floats) -> Floats:
    """The sandwich covariance of the strengths, robust to games that depend within a cluster.

    Source: Liang & Zeger, "Longitudinal data analysis using generalized linear models", Biometrika
    73 (1986), without a correction for few clusters.
    """
    bread = np.linalg.pinv(_information(results.won.sum(axis=0), strength), hermitian=True)
    scores = _gradient(results.won, strength)
    found: Floats = bread @ (scores.T @ scores) @ bread
    return found


def ratings(games: Iterable[Game], *, confidence: float = CONFIDENCE) -> list[Rating]:
    """The rating of each player, best first, with its interval; None with the reason if unknown.

    The interval is Student's t of the clusters, its error corrected for their number. A bootstrap
    over questions held the truth in fewer studies than it promises (bench/coverage.py).
    """
    from scipy.special import stdtrit  # half a second, and planning reads the scorers

    results = Results.of(games)
    total = results.won.sum(axis=0)
    played = [round(count) for count in (total + total.T).sum(axis=1)]
    wins = total.sum(axis=1)
    clusters = len(results.won)
    if reason := unrated(total):
        none = Estimate(None, None, None, f"no rating: {reason}")
        return [
            Rating(name, none, None, played[at], float(wins[at]))
            for at, name in enumerate(results.players)
        ]
    strength = strengths(total)
    values = CENTRE + SCALE * strength
    # A tie is half a win on both sides: what differs was decided.
    decided = (results.won != results.won.swapaxes(1, 2)).any(axis=2).sum(axis=0)
    half = np.full(len(values), np.nan)
    method = f"no interval: fewer than {FEWEST_CLUSTERS} questions"
    if clusters >= FEWEST_CLUSTERS:
        corrected = clusters / (clusters - 1)
        errors = np.sqrt(corrected * np.diag(covariance(results, strength)))
        half = SCALE * float(stdtrit(clusters - 1, 0.5 + confidence / 2)) * errors
        method = f"sandwich by question, t, {percent(confidence)}"
    estimates = [
        _estimate(at, wide, method, few=known < FEWEST_DECIDED)
        for at, wide, known in zip(values, half, decided, strict=True)
    ]
    found = [
        Rating(name, estimates[at], _rank(at, estimates), played[at], float(wins[at]))
        for at, name in enumerate(results.players)
    ]
    return sorted(found, key=lambda one: -(one.estimate.value or 0))


def _estimate(value: float, half: float, method: str, few: bool) -> Estimate:
    if np.isnan(half):
        return Estimate(float(value), None, None, method)
    if few:
        reason = f"no interval: fewer than {FEWEST_DECIDED} questions with a win or a loss"
        return Estimate(float(value), None, None, reason)
    return Estimate(float(value), float(value - half), float(value + half), method)


def _rank(at: int, estimates: Sequence[Estimate]) -> int | None:
    own = estimates[at].high
    if own is None:
        return None
    return 1 + sum(one.low is not None and one.low > own for one in estimates)


def elo(
    games: Iterable[Game], *, k: float = 4.0, initial: float = CENTRE
) -> Iterator[dict[str, float]]:
    """Elo's ratings after each game, in the games' order, on which they depend.

    A history, not an estimate: it has no interval. Source: Elo, "The Rating of Chessplayers"
    (1978); K = 4 as Chatbot Arena took.
    """
    found: dict[str, float] = {}
    for game in games:
        first, second = (found.get(name, initial) for name in (game.first, game.second))
        moved = k * (game.score - 1 / (1 + 10 ** ((second - first) / 400)))
        found = {**found, game.first: first + moved, game.second: second - moved}
        yield found
