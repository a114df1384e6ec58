"""The comparison of each variant with the study's reference, as the report shows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from frontier import words
from frontier.report.deciding.findings import Group, by_task
from frontier.report.naming import Naming
from frontier.report.writing.cell_tables import change_box, p_text, ratio_box
from frontier.report.writing.tables import Box
from frontier.results.columns import StudyRow
from frontier.text import visible

PREFIX = "reference_"


@dataclass(frozen=True)
class Referred:
    """A variant against the reference."""

    place: str
    """Its group's name in the page."""
    variant: str
    device: str
    where: str
    """The device of the reference's cell."""
    score: Box
    p_holm: str
    latency: Box


@dataclass(frozen=True)
class Reference:
    """The comparisons with the reference."""

    name: str
    missing: list[str]
    """A sentence for each of its cells without generations, and each task without a cell."""
    tasks: list[tuple[str, list[Referred]]]


def reference(groups: Sequence[Group], naming: Naming, variant: str | None) -> Reference | None:
    """The comparisons with the study's reference by task; None if the study has none."""
    if variant is None:
        return None
    rows = [row for group in groups for row in group.rows]
    known = any(row["variant"] == variant for row in rows)
    name = naming.variant(variant) if known else visible(variant, 80)
    tasks = [
        (naming.task(here[0].task, here[0].scenario), list(_referred(here, naming)))
        for here in by_task(groups)
    ]
    missing = [line for here in by_task(groups) for line in _missing(here, naming, variant)]
    return Reference(name, missing, [(task, found) for task, found in tasks if found])


def _missing(here: Sequence[Group], naming: Naming, variant: str) -> Iterator[str]:
    """A sentence on each cell that the reference lacks for a task."""
    task = naming.task(here[0].task, here[0].scenario)
    own = [row for group in here for row in group.rows if row["variant"] == variant]
    if not own:
        yield f"{task}: it has no cell."
    for row in own:
        if row["outcome"] not in ("measured", "invalid"):
            reason = visible(row["reason"] or "no reason was given", 300)
            where, outcome = naming.devices.label(row["device"]), row["outcome"].replace("-", " ")
            yield f"{task} on {where}: {outcome}: {reason}."


def _referred(here: Sequence[Group], naming: Naming) -> Iterator[Referred]:
    """The variants for a task that were compared with the reference's answers."""
    for group in here:
        for row in group.references:
            if row["reference_requests"] is None:
                continue
            one = _plain(row)
            yield Referred(
                group.place,
                naming.variant(row["variant"]),
                naming.devices.label(row["device"]),
                naming.devices.label(row["reference_device"]),
                change_box(one),
                p_text(one),
                ratio_box(one) if one["latency_ratio"] is not None else Box(words.MISSING),
            )


def _plain(row: StudyRow) -> StudyRow:
    """The columns on the reference under the names of those on the native variant."""
    own = {name.removeprefix(PREFIX): one for name, one in row.items() if name.startswith(PREFIX)}
    return {**row, **own}
