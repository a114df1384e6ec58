"""Variants with times, of one task on one device, for charts and verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from frontier.report.deciding.pareto import Point


@dataclass(frozen=True)
class PlottedVariant:
    """A variant with times: median seconds, score in points if any, quantiles of its requests."""

    variant: str
    latency: float
    score: float | None
    latency_ends: tuple[float | None, float | None]
    score_ends: tuple[float | None, float | None]
    quantiles: Mapping[str, Mapping[str, float] | None]


def points(entries: Iterable[PlottedVariant]) -> list[Point]:
    """The entries that have a score, as points named by their variants."""
    return [
        Point(entry.variant, entry.latency, entry.score)
        for entry in entries
        if entry.score is not None
    ]
