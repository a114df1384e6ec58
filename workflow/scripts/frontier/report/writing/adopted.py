"""The cells with adopted measurements, of earlier code or packages, accepted as current."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from frontier.report.deciding.findings import Group
from frontier.report.naming import Naming
from frontier.report.reading.gather import Key, key
from frontier.results.session import Adoption
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
    notes: Mapping[Key, Sequence[Adoption]],
    naming: Naming,
) -> list[Adopted]:
    """The adoptions in the order of the report, from the cells' notes."""
    return [
        Adopted(
            naming.variant(row["variant"]),
            naming.devices.label(row["device"]),
            naming.task(row["task"], row["scenario"]),
            visible(note.when[:10], 10),
            visible(note.because),
            _differs(note.differs),
        )
        for group in groups
        for row in group.rows
        for note in notes.get(key(row), ())
    ]


def _differs(lines: Sequence[str]) -> str:
    """The differences as one text, the first of many."""
    more = len(lines) - MOST_DIFFERENCES
    shown = [*lines[:MOST_DIFFERENCES], *([f"and {more} more"] if more > 0 else [])]
    return visible("; ".join(shown), 2000)
