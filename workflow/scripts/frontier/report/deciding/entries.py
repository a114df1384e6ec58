"""Variants with times, of one task on one device, for charts and verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from frontier.report.deciding.pareto import Point
from frontier.stats.intervals import Estimate

FEWEST = 6
"""Requests of which a median has an interval by order statistics."""


@dataclass(frozen=True)
class PlottedVariant:
    """A variant with times: median seconds, score in points if any, quantiles of its requests."""

    variant: str
    latency: float
    score: float | None
    latency_ends: tuple[float | None, float | None]
    score_ends: tuple[float | None, float | None]
    quantiles: Mapping[str, Mapping[str, float] | None]


@dataclass(frozen=True)
class LengthPoint:
    """A variant's requests with prompts of like length: their figures, None where unknown."""

    tokens: float
    """The median of the prompts' tokens."""
    requests: int
    ttft: Estimate | None
    """The median in seconds."""
    cache_bytes: float | None
    """The median of the key-value caches at the requests' ends."""
    score: Estimate | None
    """The share of right answers, where each is right or wrong."""


def points(entries: Iterable[PlottedVariant]) -> list[Point]:
    """The entries that have a score, as points named by their variants."""
    return [
        Point(entry.variant, entry.latency, entry.score)
        for entry in entries
        if entry.score is not None
    ]
