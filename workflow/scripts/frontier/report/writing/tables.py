"""The report's tables as plain rows of text, ready for a template that escapes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from frontier import words
from frontier.report.deciding.findings import Group, by_task, comparable, point, score_figure
from frontier.report.deciding.pareto import best, fastest_within, points_per_unit
from frontier.report.deciding.speed import ALL, speed_of
from frontier.report.naming import Naming
from frontier.results.columns import Column, StudyRow
from frontier.text import visible


@dataclass(frozen=True)
class Box:
    """A table's cell: a figure, the interval below it, and CSS classes."""

    text: str
    interval: str = ""
    marks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Grid:
    """A table of variants by task, scenario and device."""

    tasks: list[tuple[str, int]]  # label, with the scenario, and the number of devices spanned
    devices: list[str]
    rows: list[tuple[str, list[Box]]]  # variant and one box per column
    places: list[str]  # the group's name in the page, one per column


MOST_COLUMNS = 6


def _speed_box(row: StudyRow) -> Box | None:
    if row["simulated"]:
        return Box(words.SIMULATED, marks=("absent",))
    speed = speed_of(row)
    value = speed.value(row)
    if value is None:
        return None
    return Box(words.significant(value), words.interval(speed.bounds(row)))


def _score_box(row: StudyRow) -> Box | None:
    if row["random_weights"] and row["outcome"] == "measured":
        return Box(words.RANDOM, marks=("absent",))
    if row["outcome"] != "measured":
        return None
    if row["score"] is None:
        return Box(words.UNSCORED, marks=("absent",)) if row.get("unscored_answers") else None
    factor = points_per_unit(row["score_unit"])
    ends = (row["score_low"], row["score_high"])
    shown = words.interval([None if end is None else end * factor for end in ends], places=1)
    return Box(score_figure(row), shown)


def _marks(group: Group, margin: float) -> dict[str, tuple[str, ...]]:
    """The CSS classes of a group's chosen and best variants."""
    points = [(row["variant"], point(row)) for row in group.rows if comparable(row)]
    chosen = fastest_within((each for _, each in points), margin)
    top = best(each for _, each in points)
    return {
        variant: tuple(mark for mark, found in (("chosen", chosen), ("best", top)) if here == found)
        for variant, here in points
    }


def _grid(
    groups: Sequence[Group], naming: Naming, margin: float, box: Callable[[StudyRow], Box | None]
) -> Grid:
    boxes: dict[str, dict[int, Box]] = {}
    for place, group in enumerate(groups):
        marks = _marks(group, margin)
        for row in group.rows:
            filled = box(row)
            if filled is None:
                filled = Box(row["outcome"].replace("-", " "), marks=("absent",))
            elif not filled.marks:
                filled = Box(filled.text, filled.interval, marks.get(row["variant"], ()))
            boxes.setdefault(row["variant"], {})[place] = filled
    absent = Box(words.MISSING, marks=("absent",))
    return Grid(
        [(naming.task(here[0].task, here[0].scenario), len(here)) for here in by_task(groups)],
        [naming.devices.label(group.device) for group in groups],
        [
            (naming.variant(variant), [boxes[variant].get(i, absent) for i in range(len(groups))])
            for variant in naming.variants
            if variant in boxes
        ],
        [group.place for group in groups],
    )


def _grids(
    groups: Sequence[Group], naming: Naming, margin: float, box: Callable[[StudyRow], Box | None]
) -> list[Grid]:
    """One table of all groups, or one per task and scenario if that would be too wide."""
    if len(groups) <= MOST_COLUMNS:
        return [_grid(groups, naming, margin, box)]
    return [_grid(here, naming, margin, box) for here in by_task(groups)]


def speed_grids(
    groups: Sequence[Group], naming: Naming, margin: float
) -> list[tuple[str, list[Grid]]]:
    """The speed of variants, by task and device: a title and tables for each scenario."""
    found: dict[str, list[Group]] = {speed.title: [] for speed in ALL}
    for group in groups:
        found[speed_of(*group.rows).title].append(group)
    return [
        (title, _grids(here, naming, margin, _speed_box)) for title, here in found.items() if here
    ]


def score_grids(groups: Sequence[Group], naming: Naming, margin: float) -> list[Grid]:
    """Score in points with its interval, variant by task and device."""
    return _grids(groups, naming, margin, _score_box)


def glossary(columns: Iterable[Column]) -> list[Column]:
    """The columns for the glossary: all but the ends of intervals."""
    return [column for column in columns if column.interval_of is None]


def flat(value: Any, prefix: str = "") -> list[tuple[str, str]]:
    """A nested JSON value as names and texts: {"a": {"b": 1}} becomes ("a b", "1")."""
    if isinstance(value, Mapping):
        return [
            pair
            for name, inner in value.items()
            for pair in flat(inner, f"{prefix} {name}".strip().replace("_", " "))
        ]
    if isinstance(value, list):
        if not value:
            return []
        return [(prefix, visible(", ".join(map(str, value))))]
    if value is None:
        return []
    if prefix.endswith("bytes") and isinstance(value, int | float):
        return [(prefix.removesuffix(" bytes"), words.size(value))]
    return [(prefix, visible(str(value)))]
