"""Answers under load against those of one request at a time, as the report shows them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from frontier import words
from frontier.report.deciding.findings import Group
from frontier.report.naming import Naming
from frontier.report.writing.cell_tables import change_box, p_text
from frontier.report.writing.tables import Box
from frontier.results.columns import StudyRow

PREFIX = "alone_"


@dataclass(frozen=True)
class Answers:
    """A cell under load against the single-stream cell of the same variant."""

    variant: str
    same: str
    """Answers with the same text, of how many."""
    score: Box
    p_holm: str
    passes: str
    """Answers that changed from pass to pass, of the same requests at once."""


def answers(groups: Sequence[Group], naming: Naming) -> list[tuple[str, str, str, list[Answers]]]:
    """Task, device, the group's place, and a row per variant, of groups with such comparisons."""
    return [
        (
            naming.task(group.task, group.scenario),
            naming.devices.label(group.device),
            group.place,
            list(_rows(group, naming)),
        )
        for group in groups
        if group.alone
    ]


def _rows(group: Group, naming: Naming) -> Iterator[Answers]:
    cells = {row["variant"]: row for row in group.rows}
    for row in group.alone:
        one = _plain(row)
        changed = cells[row["variant"]]["passes_changed"]
        yield Answers(
            naming.variant(row["variant"]),
            f"{row['alone_answers'] - row['alone_changed']} of {row['alone_answers']}",
            change_box(one),
            p_text(one),
            words.MISSING if changed is None else str(changed),
        )


def _plain(row: StudyRow) -> StudyRow:
    """The columns on the single-stream cell under the names of those on the native variant."""
    own = {name.removeprefix(PREFIX): one for name, one in row.items() if name.startswith(PREFIX)}
    return {**row, **own}
