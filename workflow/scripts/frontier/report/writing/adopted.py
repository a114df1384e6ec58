"""The cells with adopted measurements, of earlier code or packages, accepted as current."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from frontier.report.deciding.findings import Group
from frontier.report.naming import Naming
from frontier.text import visible

MOST_DIFFERENCES = 12


@dataclass(frozen=True)
class Adopted:
    """An adoption of one cell: the time, the reason and the differences."""

    variant: str
    device: str
    task: str
    when: str
    because: str
    differs: str

    @property
    def cell(self) -> tuple[str, str, str]:
        """The cell, as a key for grouping: a cell may have been adopted several times."""
        return self.variant, self.device, self.task


def adopted_cells(
    groups: Sequence[Group],
    notes: Mapping[tuple[str, str, str], Sequence[Mapping[str, Any]]],
    naming: Naming,
) -> list[Adopted]:
    """The adoptions in the order of the report, from the cells' notes by task, device, variant."""
    return [
        Adopted(
            naming.variant(row["variant"]),
            naming.devices.label(row["device"]),
            naming.tasks.label(row["task"]),
            visible(str(note.get("when", ""))[:10], 10),
            visible(str(note.get("because", ""))),
            _differs(note.get("differs")),
        )
        for group in groups
        for row in group.rows
        for note in notes.get((row["task"], row["device"], row["variant"]), ())
    ]


def _differs(lines: Any) -> str:
    """The differences as one text, the first of many."""
    named = [str(line) for line in lines] if isinstance(lines, list) else []
    more = len(named) - MOST_DIFFERENCES
    shown = [*named[:MOST_DIFFERENCES], *([f"and {more} more"] if more > 0 else [])]
    return visible("; ".join(shown), 2000)
