"""Cells of several machines in one report: the added ones, and conflicts between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from frontier import words
from frontier.exchange import conflicts
from frontier.report.deciding.findings import Group, score_text
from frontier.report.deciding.speed import speed_of
from frontier.report.naming import Naming
from frontier.report.reading.gather import Cells, key
from frontier.results import bundles
from frontier.results.cell import read_cell
from frontier.results.columns import StudyRow


@dataclass(frozen=True)
class MachineResult:
    """One of two results for a cell: its device and figures."""

    device: str
    figures: str


@dataclass(frozen=True)
class Conflict:
    """The same cell measured on two machines with different inputs or hardware."""

    task: str
    variant: str
    here: MachineResult
    there: MachineResult
    differing: list[str]


@dataclass(frozen=True)
class Machines:
    """The added cells: `names` under which they were added, with their numbers, and conflicts."""

    names: list[tuple[str, int]]
    conflicts: list[Conflict]


def machines(groups: Sequence[Group], cells: Cells, naming: Naming) -> Machines:
    """The added cells among a study's, and the conflicts with those measured here.

    If a cell was not measured here, the others are compared with the first machine's.
    """
    rows = [row for group in groups for row in group.rows]
    origins = bundles.origins(naming.devices.ids)
    counted = dict.fromkeys(sorted(set(origins.values())), 0)
    same: dict[tuple[str, ...], list[StudyRow]] = {}
    for row in sorted(rows, key=lambda row: row["device"] in origins):  # those measured here first
        if name := origins.get(row["device"]):
            counted[name] += 1
        own = row["device"].partition("@")[0]
        same.setdefault(key({**row, "device": own}), []).append(row)
    pairs = [(first, other) for first, *others in same.values() for other in others]
    found = [_conflict(first, other, cells, naming) for first, other in pairs]
    return Machines(list(counted.items()), [conflict for conflict in found if conflict])


def _conflict(first: StudyRow, other: StudyRow, cells: Cells, naming: Naming) -> Conflict | None:
    here, there = (read_cell(cells.paths[key(row)]) for row in (first, other))
    if not conflicts.conflict(here, there):
        return None
    ours, theirs = (
        MachineResult(naming.devices.label(row["device"]), _figures(row)) for row in (first, other)
    )
    task, variant = naming.task(first["task"], first["scenario"]), naming.variant(first["variant"])
    return Conflict(task, variant, ours, theirs, conflicts.differences(here, there))


def _figures(row: StudyRow) -> str:
    """accuracy 92.5 % (88.0–95.4), 14.2 ms per request (95 % interval 13.9–14.6)."""
    parts = [] if row["outcome"] == "measured" else [row["outcome"].replace("-", " ")]
    parts += [score_text(row)] if row["score"] is not None else []
    speed = speed_of(row)
    parts += [speed.text(row)] if speed.value(row) else []
    return ", ".join(parts) or words.MISSING
