"""Who is on the latency-accuracy frontier, and who is fast enough and good enough."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

# The unit of scores in [0, 1]: a point of theirs is a percentage point. All other scores (chrF2,
# BLEU) come in points already.
PROPORTION = "proportion"
# 0.95 - 0.93 is 0.0199999…: scores a margin apart must count as within it.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Point:
    """A variant where it was measured: median seconds per request, and score in points."""

    name: str
    latency: float
    score: float


def points_per_unit(unit: str | None) -> float:
    """What a score in `unit` is multiplied by to become points."""
    return 100.0 if unit == PROPORTION else 1.0


def front(points: Iterable[Point]) -> list[Point]:
    """The points that no other dominates, fastest first. Equal points are on it together.

    One dominates another that it equals or beats in both latency and score, and beats in one.
    """
    best = float("-inf")
    at_best = float("-inf")
    chosen: list[Point] = []
    for point in sorted(points, key=lambda point: (point.latency, -point.score, point.name)):
        if point.score > best:
            best, at_best = point.score, point.latency
            chosen.append(point)
        elif point.score == best and point.latency == at_best:
            chosen.append(point)
    return chosen


def best(points: Iterable[Point]) -> Point | None:
    """The highest score; of equals the fastest."""
    return min(points, key=lambda point: (-point.score, point.latency, point.name), default=None)


def fastest_within(points: Iterable[Point], margin: float) -> Point | None:
    """The fastest point whose score is at most `margin` points below the best; None if none."""
    everyone = list(points)
    top = best(everyone)
    if top is None:
        return None
    enough = [point for point in everyone if point.score >= top.score - margin - ROUNDING]
    return min(enough, key=lambda point: (point.latency, -point.score, point.name))
