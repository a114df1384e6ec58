"""The tables of prompts' lengths: a row for each part of the requests of each variant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from frontier import words
from frontier.report.deciding.entries import LengthPoint
from frontier.report.deciding.findings import Group
from frontier.report.naming import Naming
from frontier.report.writing.tables import Box
from frontier.stats.intervals import Estimate

HEADINGS = ("Prompt tokens", "Requests", "TTFT", "KV cache", "Right")


@dataclass(frozen=True)
class LengthTable:
    """One task on one device."""

    task: str
    device: str
    place: str
    """The group's name in the page."""
    rows: list[tuple[str, str, list[Box]]]
    """A variant, its model's attention, and the figures of a part of its requests."""


def length_tables(groups: Sequence[Group], naming: Naming) -> list[LengthTable]:
    """A table for each group whose prompts differ enough in length."""
    return [
        LengthTable(
            naming.task(group.task, group.scenario),
            naming.devices.label(group.device),
            group.place,
            [
                (naming.variant(variant), naming.attention(variant) or words.MISSING, _boxes(point))
                for variant, points in group.lengths.items()
                for point in points
            ],
        )
        for group in groups
        if group.lengths
    ]


def _boxes(point: LengthPoint) -> list[Box]:
    return [
        Box(f"{point.tokens:.0f}"),
        Box(str(point.requests)),
        _time(point.ttft),
        Box(words.size(point.cache_bytes)),
        _share(point.score),
    ]


def _time(median: Estimate | None) -> Box:
    if median is None or median.value is None:
        return Box(words.MISSING)
    ends = words.seconds_interval(median.value, (median.low, median.high))
    return Box(words.seconds(median.value), ends)


def _share(score: Estimate | None) -> Box:
    if score is None or score.value is None:
        return Box(words.MISSING)
    ends = [None if end is None else 100 * end for end in (score.low, score.high)]
    return Box(words.score(100 * score.value, proportion=True), words.interval(ends, places=1))
