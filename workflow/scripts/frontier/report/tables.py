"""The report's tables as plain rows of text, ready for a template that escapes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from frontier.columns import COLUMNS, Column, MetricNote, metric_columns
from frontier.report import words
from frontier.report.findings import P50, P50_HIGH, P50_LOW, Group, Row, comparable, point
from frontier.report.naming import Naming
from frontier.report.pareto import best, fastest_within, points_per_unit
from frontier.statistics import Estimate


@dataclass(frozen=True)
class Box:
    """A table's cell: a figure, its interval below it, and marks that style it."""

    text: str
    interval: str = ""
    marks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Grid:
    """A table of variants by task and device."""

    tasks: list[tuple[str, int]]  # label and how many devices it spans
    devices: list[str]
    rows: list[tuple[str, list[Box]]]  # variant and one box a column


def _latency_box(row: Row) -> Box | None:
    if row["outcome"] != "measured" or row[P50] is None:
        return None
    ends = words.interval((row[P50_LOW], row[P50_HIGH]))
    return Box(words.significant(row[P50]), ends)


def _score_box(row: Row) -> Box | None:
    if row["outcome"] != "measured" or row["score"] is None:
        return None
    factor = points_per_unit(row["score_unit"])
    ends = (row["score_low"], row["score_high"])
    shown = words.interval([None if end is None else end * factor for end in ends], places=1)
    return Box(words.score(row["score"] * factor, proportion=factor != 1), shown)


def _marks(group: Group, margin: float) -> dict[str, tuple[str, ...]]:
    """Which variants of a group are the chosen one and the best."""
    points = [(row["variant"], point(row)) for row in group.rows if comparable(row)]
    chosen = fastest_within((each for _, each in points), margin)
    top = best(each for _, each in points)
    return {
        variant: tuple(mark for mark, found in (("chosen", chosen), ("best", top)) if here == found)
        for variant, here in points
    }


def _grid(
    groups: Sequence[Group], naming: Naming, margin: float, box: Callable[[Row], Box | None]
) -> Grid:
    boxes: dict[str, dict[int, Box]] = {}
    for place, group in enumerate(groups):
        marks = _marks(group, margin)
        for row in group.rows:
            made = box(row)
            if made is None:
                made = Box(row["outcome"].replace("-", " "), marks=("absent",))
            else:
                made = Box(made.text, made.interval, marks.get(row["variant"], ()))
            boxes.setdefault(row["variant"], {})[place] = made
    absent = Box(words.MISSING, marks=("absent",))
    spans: dict[str, int] = {}
    for group in groups:
        spans[group.task] = spans.get(group.task, 0) + 1
    return Grid(
        [(naming.tasks.label(task), count) for task, count in spans.items()],
        [naming.devices.label(group.device) for group in groups],
        [
            (naming.variant(variant), [boxes[variant].get(i, absent) for i in range(len(groups))])
            for variant in naming.variants
        ],
    )


def latency_grid(groups: Sequence[Group], naming: Naming, margin: float) -> Grid:
    """Median seconds per request with its interval, variant by task and device."""
    return _grid(groups, naming, margin, _latency_box)


def score_grid(groups: Sequence[Group], naming: Naming, margin: float) -> Grid:
    """Score in points with its interval, variant by task and device."""
    return _grid(groups, naming, margin, _score_box)


def _figure(figure: Estimate | None, sign: bool = False) -> Box:
    if figure is None or figure.value is None:
        return Box(words.MISSING)
    if sign:
        ends = (figure.low, figure.high)
        shown = " to ".join(words.signed(end) for end in ends if end is not None)
        return Box(words.signed(figure.value), shown)
    return Box(words.ratio(figure.value), words.interval((figure.low, figure.high)))


@dataclass(frozen=True)
class Change:
    """What one quantization changed on one task and device."""

    variant: str
    task: str
    device: str
    score: Box
    latency: Box
    weights: Box


def changes(groups: Iterable[Group], naming: Naming) -> list[Change]:
    """What each quantization changed against its native model."""
    return [
        Change(
            naming.variant(entry.variant),
            naming.tasks.label(group.task),
            naming.devices.label(group.device),
            _figure(entry.score_change, sign=True),
            _figure(entry.latency_ratio),
            Box(words.ratio(entry.bytes_ratio)),
        )
        for group in groups
        for entry in group.entries
        if entry.latency_ratio is not None
    ]


def _number(row: Row, name: str, digits: int = 3) -> str:
    value = row[name]
    return words.MISSING if value is None else words.significant(value, digits)


# heading -> how a row of the study fills it
FACTS: Mapping[str, Callable[[Row], str]] = {
    "Requests": lambda row: words.MISSING if row["requests"] is None else str(row["requests"]),
    "Median": lambda row: words.seconds(row[P50]),
    "p90": lambda row: words.seconds(row["latency_p90_s"]),
    "p99": lambda row: words.seconds(row["latency_p99_s"]),
    "TTFT": lambda row: words.seconds(row["ttft_p50_s"]),
    "TPOT": lambda row: words.seconds(row["tpot_p50_s"]),
    "Tokens/s": lambda row: _number(row, "output_tokens_per_s"),
    "Load": lambda row: words.seconds(row["load_s"]),
    "Weights": lambda row: words.size(row["weights_bytes"]),
    "Host peak": lambda row: words.size(row["host_peak_bytes"]),
    "Device peak": lambda row: words.size(row["device_peak_bytes"]),
    "MBU": lambda row: words.MISSING if row["mbu"] is None else f"{100 * row['mbu']:.0f} %",
    "Cost of 1,000": lambda row: _number(row, "cost_per_1000_requests"),
}


@dataclass(frozen=True)
class CellRow:
    """One cell of the study as the table of all cells shows it."""

    variant: str
    device: str
    outcome: str
    reason: str
    score: str
    facts: list[str]


def _score_cell(row: Row) -> str:
    if row["score"] is None:
        return words.MISSING
    factor = points_per_unit(row["score_unit"])
    return words.score(row["score"] * factor, proportion=factor != 1)


def cell_rows(group: Group, naming: Naming) -> list[CellRow]:
    """Every cell of a group with its outcome and figures."""
    return [
        CellRow(
            naming.variant(row["variant"]),
            naming.devices.label(row["device"]),
            row["outcome"],
            words.visible(row["reason"]),
            _score_cell(row),
            [fact(row) for fact in FACTS.values()],
        )
        for row in group.rows
    ]


def glossary(metrics: Mapping[str, MetricNote]) -> list[Column]:
    """The study's columns to be explained: those that are not merely the end of an interval."""
    columns = (*COLUMNS, *metric_columns(metrics))
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
        return [(prefix, words.visible(", ".join(map(str, value))))]
    if value is None:
        return []
    if prefix.endswith("bytes") and isinstance(value, int | float):
        return [(prefix.removesuffix(" bytes"), words.size(value))]
    return [(prefix, words.visible(str(value)))]
