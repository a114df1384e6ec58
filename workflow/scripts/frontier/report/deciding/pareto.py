"""The latency-accuracy frontier, and the choice that is fast enough and good enough."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

# The unit of scores in [0, 1], whose points are percentage points. All other scores (chrF2,
# BLEU) come in points already.
PROPORTION = "proportion"
# 0.95 - 0.93 is 0.0199999…: scores a margin apart must count as within it.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Point:
    """A variant on a device: median seconds per request, and score in points."""

    name: str
    latency: float
    score: float


def points_per_unit(unit: str | None) -> float:
    """The factor from a score in `unit` to points."""
    return 100.0 if unit == PROPORTION else 1.0


def front(points: Iterable[Point]) -> list[Point]:
    """The points that no other dominates, fastest first, including equal points.

    A point dominates another if it is no worse in latency and score, and better in one of them.
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
    """The point with the highest score; the fastest of equals."""
    return min(points, key=lambda point: (-point.score, point.latency, point.name), default=None)


def fastest_within(points: Iterable[Point], margin: float) -> Point | None:
    """The fastest point whose score is at most `margin` points below the best; None if none."""
    everyone = list(points)
    top = best(everyone)
    if top is None:
        return None
    enough = [point for point in everyone if point.score >= top.score - margin - ROUNDING]
    return min(enough, key=lambda point: (point.latency, -point.score, point.name))
