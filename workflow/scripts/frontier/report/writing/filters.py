"""What a reader can leave out of the table of all cells: by classes and CSS, without a script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from frontier.report.deciding.findings import Group
from frontier.report.naming import Axis, Naming
from frontier.results.columns import StudyRow


@dataclass(frozen=True)
class Filter:
    """A choice by one axis; each of its `choices` is a class of cells and what it is called."""

    name: str
    choices: list[tuple[str, str]]
    of_tables: bool = False
    """Whether all cells of a table have it in common."""


def _choices(prefix: str, axis: Axis) -> list[tuple[str, str]]:
    return [(f"{prefix}{axis.rank(id_)}", axis.label(id_)) for id_ in axis.ids]


def available(naming: Naming, outcomes: Sequence[str]) -> list[Filter]:
    """What cells can be chosen by, wherever there is more than one choice."""
    found = [
        Filter("Task", _choices("t", naming.tasks), of_tables=True),
        Filter("Device", _choices("d", naming.devices), of_tables=True),
        Filter("Model", _choices("m", naming.models)),
        Filter("Quantization", _choices("q", naming.quantizations)),
        Filter("Outcome", [(f"o-{name}", name.replace("-", " ")) for name in outcomes]),
    ]
    return [one for one in found if len(one.choices) > 1]


def of_table(group: Group, naming: Naming) -> str:
    """The classes of a group's table."""
    return f"t{naming.tasks.rank(group.task)} d{naming.devices.rank(group.device)}"


def of_row(row: StudyRow, naming: Naming) -> str:
    """The classes of a cell's row."""
    model, quantization = (
        naming.models.rank(row["model"]),
        naming.quantizations.rank(row["quantization"]),
    )
    return f"m{model} q{quantization} o-{row['outcome']}"
