"""The balanced score: speed and quality in one number, by weights.

    balanced = 100 · (w · speed + (1 - w) · quality)
    speed    = the fewest seconds of any variant of the task / the variant's seconds
    quality  = the variant's score / the best score of any variant of the task, not below 0

w is the weight of the speed as a share of both weights: one half, unless config.yaml says
otherwise. Both parts are 1 for the first in each, so that they can be added. WEAKNESSES lists what
is weak about such a number; the Pareto frontier, which is recommended, needs no weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from frontier.report.deciding.findings import comparable, point
from frontier.report.deciding.pareto import points_per_unit
from frontier.report.deciding.speed import speed_of
from frontier.results.columns import StudyRow

SHARES = (0.3, 0.4, 0.5, 0.6, 0.7)
"""Weights of the speed at which the ranking is shown."""
WEAKNESSES = (
    "Both parts are relative to the first of this study: a faster or better variant that is added "
    "changes the numbers of all, and may change the order of those that were there.",
    "Points that guessing earns count as quality: of two labels, a variant that has learned "
    "nothing gets about half of the quality.",
    "Speed is a ratio: from 10 to 20 ms costs as much as from 1 to 2 s, whether or not anyone "
    "notices. A very fast and useless variant takes all of the speed's share.",
    "A weight says how many points of quality a halved latency is worth. That is a decision of "
    "yours, not a measurement, and no weight is right for everyone.",
    "The numbers of different tasks cannot be compared, nor averaged: their firsts differ.",
)


@dataclass(frozen=True)
class Part:
    """A share of the first, with its ends; None where they are not known."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Parts:
    """The two parts of a cell."""

    row: StudyRow
    speed: Part
    quality: Part

    def at(self, share: float) -> float:
        """The balanced score where speed has this share of the weights."""
        return 100 * (share * self.speed.value + (1 - share) * self.quality.value)

    def ends(self, share: float) -> tuple[float | None, float | None]:
        """The range of the balanced score: both parts at their lower ends, or their higher ones.

        It is wider than a 95 % interval, whether or not the figures depend on each other, and
        holds the uncertainty of the firsts by which they are divided (bench/coverage.py).
        """
        pairs = (self.speed.low, self.quality.low), (self.speed.high, self.quality.high)
        low, high = (
            None
            if speed is None or quality is None
            else 100 * (share * speed + (1 - share) * quality)
            for speed, quality in pairs
        )
        return low, high


def parts(rows: Iterable[StudyRow]) -> list[Parts]:
    """The parts of the comparable cells of one task in one scenario.

    There are none if no score is above 0: nothing to relate the others to.
    """
    cells = [row for row in rows if comparable(row)]
    best = max((point(row).score for row in cells), default=0.0)
    if best <= 0:
        return []
    bounds = [(_seconds(row), _score(row)) for row in cells]
    fewest = _first([seconds for seconds, _ in bounds], min)
    highest = _first([score for _, score in bounds], max)
    return [
        Parts(row, _relative(fewest, seconds), _relative(score, highest))
        for row, (seconds, score) in zip(cells, bounds, strict=True)
    ]


def _seconds(row: StudyRow) -> Part:
    speed = speed_of(row)
    low, high = speed.bounds(row)
    if speed.rate:  # the highest rate has the fewest seconds
        low, high = (1 / end if end else None for end in (high, low))
    return Part(point(row).latency, low, high)


def _score(row: StudyRow) -> Part:
    factor = points_per_unit(row["score_unit"])
    low, high = (
        None if end is None else max(0.0, end * factor)
        for end in (row["score_low"], row["score_high"])
    )
    return Part(max(0.0, point(row).score), low, high)


def _first(figures: Sequence[Part], first: Callable[[Iterable[float]], float]) -> Part:
    """The first of several figures; an end is None if that of any is, which may be the first."""
    lows, highs = [one.low for one in figures], [one.high for one in figures]
    low, high = (
        None if None in ends else first(end for end in ends if end is not None)
        for ends in (lows, highs)
    )
    return Part(first(one.value for one in figures), low, high)


def _relative(part: Part, whole: Part) -> Part:
    """The share of one figure in another, which is never above 1, nor are its ends."""
    low = None if part.low is None or not whole.high else min(1.0, part.low / whole.high)
    high = None if part.high is None or whole.low is None else 1.0
    if part.high is not None and whole.low:
        high = min(1.0, part.high / whole.low)
    return Part(part.value / whole.value, low, high)


def ranked(cells: Iterable[Parts], share: float) -> list[Parts]:
    """The cells from the highest balanced score to the lowest; of equals the faster first."""
    return sorted(
        cells, key=lambda one: (-one.at(share), point(one.row).latency, point(one.row).name)
    )


@dataclass(frozen=True)
class Lead:
    """The first in the ranking, between two weights of the speed."""

    first: Parts
    low: float
    high: float


def leads(cells: Sequence[Parts], low: float = SHARES[0], high: float = SHARES[-1]) -> list[Lead]:
    """The first at each weight from `low` to `high`, exactly: a balanced score is linear in it."""
    found: list[Lead] = []
    at = low
    first = ranked(cells, at)[0]
    while True:
        # The first is ahead at `at`, so an earlier crossing is one here, but for rounding.
        crossings = [
            (max(at, _crossing(first, other)), -_slope(other), point(other.row).name, other)
            for other in cells
            if _slope(other) > _slope(first)
        ]
        if not crossings or (nearest := min(crossings, key=lambda one: one[:3]))[0] >= high:
            return [*found, Lead(first, at, high)]
        where, _, _, other = nearest
        if where > at:
            found.append(Lead(first, at, where))
        at, first = where, other


def _slope(one: Parts) -> float:
    return one.speed.value - one.quality.value


def _crossing(first: Parts, other: Parts) -> float:
    """The weight of the speed above which `other`, of a higher slope, is before `first`."""
    behind = first.quality.value - other.quality.value
    return behind / (_slope(other) - _slope(first))
