"""Findings for a task on a device: its measured variants, and the recommendation as text.

Rows are the study's (see frontier.results.columns).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from frontier import words
from frontier.report.deciding.entries import LengthPoint, PlottedVariant
from frontier.report.deciding.pareto import ROUNDING, Point, best, fastest_within, points_per_unit
from frontier.report.deciding.speed import LATENCY, speed_of
from frontier.report.naming import Naming
from frontier.results.cell_load import Loads
from frontier.results.columns import StudyRow
from frontier.results.layout import Place


@dataclass(frozen=True)
class Group:
    """The cells of one task in one scenario on one device, in order of display.

    `entries` are those with times, to be drawn; `comparisons` the rows of comparisons.parquet with
    a native variant, `references` those with the study's reference.
    """

    task: str
    scenario: str
    device: str
    rows: Sequence[StudyRow]
    entries: Sequence[PlottedVariant]
    comparisons: Sequence[StudyRow] = ()
    references: Sequence[StudyRow] = ()
    alone: Sequence[StudyRow] = ()
    """The rows of comparisons.parquet with the same variant asked one request at a time."""
    ratings: Sequence[StudyRow] = ()
    """The rows of ratings.parquet."""
    loads: Mapping[str, Loads] = field(default_factory=dict)
    """The rates of arrivals by variant, in the scenario `server`."""
    lengths: Mapping[str, Sequence[LengthPoint]] = field(default_factory=dict)
    """Figures by the length of prompts and by variant, where prompts differ enough in it."""

    @property
    def file(self) -> str:
        """TASK, or TASK.SCENARIO unless that is single-stream, as cells' files are named."""
        return Place("", self.device, self.task, self.scenario).summary.stem

    @property
    def place(self) -> str:
        """Its name in the page, by which the script finds its charts and tables."""
        return f"{self.file}/{self.device}"


@dataclass(frozen=True)
class Recommendation:
    """The recommendation for a task, on one device or over all of them (device None).

    `task` is its label, with the scenario if there are several: their times are not compared.
    """

    task: str
    device: str | None
    variant: str | None = None  # label of the chosen variant
    where: str | None = None  # label of its device, if that is part of the answer
    latency: str = ""
    score: str = ""
    remarks: list[str] = field(default_factory=list)


def by_task(groups: Iterable[Group]) -> list[list[Group]]:
    """The groups of each task in each scenario."""
    found: dict[tuple[str, str], list[Group]] = {}
    for group in groups:
        found.setdefault((group.task, group.scenario), []).append(group)
    return list(found.values())


def timed(row: StudyRow) -> bool:
    """True if a cell has a latency to show."""
    return LATENCY.value(row) is not None


def comparable(row: StudyRow) -> bool:
    """True if a cell has both a score and the figure by which its scenario is fast or slow."""
    return speed_of(row).value(row) is not None and row["score"] is not None


def point(row: StudyRow) -> Point:
    """A comparable cell as a point; its name is unique in a task and scenario."""
    points = row["score"] * points_per_unit(row["score_unit"])
    seconds = speed_of(row).seconds(row)
    return Point(f"{row['variant']} {row['device']}", seconds, points)


def score_title(rows: Iterable[StudyRow]) -> str:
    """The score's name and unit for an axis: "Accuracy, %", "chrF2, points"."""
    row = next(row for row in rows if comparable(row))
    named = words.metric(row["score_metric"])
    proportion = points_per_unit(row["score_unit"]) != 1
    if named.islower():
        named = named.capitalize()
    return f"{named}, {'%' if proportion else 'points'}"


def score_figure(row: StudyRow) -> str:
    """92.5 %, or 92.5 % (3 unscored, 1 withheld)."""
    factor = points_per_unit(row["score_unit"])
    figure = words.score(row["score"] * factor, proportion=factor != 1)
    known = {words.UNSCORED: "unscored_answers", words.WITHHELD: "withheld_answers"}
    counts = [(row.get(column), word) for word, column in known.items()]
    marks = ", ".join(f"{count:.0f} {word}" for count, word in counts if count)
    return f"{figure} ({marks})" if marks else figure


def score_text(row: StudyRow) -> str:
    """accuracy 92.5 % (88.0–95.4)."""
    factor, figure = points_per_unit(row["score_unit"]), score_figure(row)
    ends = (row["score_low"], row["score_high"])
    shown = words.interval([None if end is None else end * factor for end in ends], places=1)
    return f"{words.metric(row['score_metric'])} {figure}" + (f" ({shown})" if shown else "")


def _remarks(chosen: StudyRow, top: StudyRow, enough: Sequence[StudyRow], name: Any) -> list[str]:
    """Remarks that compare the choice with the best variant and with those that may be as fast."""
    remarks, speed = [], speed_of(chosen)
    if chosen is top:
        remarks.append("It also has the best score.")
    else:
        faster = words.significant(speed.seconds(top) / speed.seconds(chosen))
        below = point(top).score - point(chosen).score
        remarks.append(
            f"{faster} times as fast as {name(top)}, which scores best: {score_text(top)} at "
            f"{speed.short(top)}."
        )
        remarks.append(f"It gives up {below:.1f} points.")
    rivals = [name(row) for row in enough if row is not chosen and speed.overlap(chosen, row)]
    if rivals:
        more = f" and {len(rivals) - 3} more" if len(rivals) > 3 else ""
        named = ", ".join(rivals[:3]) + more if more else words.join(rivals)
        kind = "intervals" if speed.rate else "latency intervals"
        remarks.append(f"Not clearly faster than {named}: the {kind} overlap.")
    return remarks


def _nothing(task: str, device: str | None, rows: Sequence[StudyRow]) -> Recommendation:
    counts = Counter(row["outcome"] for row in rows)
    counted = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
    figure = _figure(rows)
    lacking = f"has both a score and {figure}" if counts["measured"] else "was measured"
    return Recommendation(task, device, remarks=[f"No variant {lacking} here ({counted})."])


def _figure(rows: Sequence[StudyRow]) -> str:
    """The figure by which the scenario of these cells is fast or slow, in a sentence."""
    return speed_of(*rows).named


def recommend(
    rows: Sequence[StudyRow], naming: Naming, margin: float, device: str | None
) -> Recommendation:
    """The fastest within `margin` points of the best among the cells of one task in one scenario.

    `device` is the label of all rows' device, or None for several devices; then the recommendation
    names the chosen variant's device.
    """
    task = naming.task(rows[0]["task"], rows[0]["scenario"])
    by_name = {point(row).name: row for row in rows if comparable(row)}
    points = [point(row) for row in by_name.values()]
    chosen, top = fastest_within(points, margin), best(points)
    if chosen is None or top is None:
        return _nothing(task, device, rows)

    def name(row: StudyRow) -> str:
        at = "" if device else f" on {naming.devices.label(row['device'])}"
        return naming.variant(row["variant"]) + at

    floor = top.score - margin - ROUNDING
    enough = [row for row in by_name.values() if point(row).score >= floor]
    row = by_name[chosen.name]
    remarks = _remarks(row, by_name[top.name], enough, name)
    if len(points) == 1:
        others = sum(row["outcome"] == "measured" for row in rows) > 1
        has = f"with both a score and {_figure(rows)}" if others else "that was measured"
        remarks = [f"The only variant {has} here."]
    return Recommendation(
        task,
        device,
        variant=naming.variant(row["variant"]),
        where=None if device else naming.devices.label(row["device"]),
        latency=speed_of(row).text(row),
        score=score_text(row),
        remarks=remarks,
    )


def recommendations(
    groups: Sequence[Group], naming: Naming, margin: float
) -> list[list[Recommendation]]:
    """Recommendations for each task: over all devices if there are several, then by device.

    Separately for each scenario.
    """
    found = []
    for here in by_task(groups):
        each = [
            recommend(group.rows, naming, margin, naming.devices.label(group.device))
            for group in here
        ]
        if len(here) > 1:
            everywhere = [row for group in here for row in group.rows]
            each.insert(0, recommend(everywhere, naming, margin, None))
        found.append(each)
    return found
