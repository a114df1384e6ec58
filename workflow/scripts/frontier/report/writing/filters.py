"""Filters of the table of all cells, by classes and CSS, without a script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from frontier.report.deciding.findings import Group
from frontier.report.naming import Axis, Naming, way_of
from frontier.results.columns import StudyRow


@dataclass(frozen=True)
class Filter:
    """A filter by one axis; each of its `choices` is a CSS class of cells and its label."""

    name: str
    choices: list[tuple[str, str]]
    of_tables: bool = False
    """True if all cells of a table share the value."""


def _choices(prefix: str, axis: Axis) -> list[tuple[str, str]]:
    return [(f"{prefix}{axis.rank(id_)}", axis.label(id_)) for id_ in axis.ids]


def available(naming: Naming, outcomes: Sequence[str]) -> list[Filter]:
    """The filters with more than one choice."""
    found = [
        Filter("Task", _choices("t", naming.tasks), of_tables=True),
        Filter("Scenario", _choices("s", naming.scenarios), of_tables=True),
        Filter("Device", _choices("d", naming.devices), of_tables=True),
        Filter("Model", _choices("m", naming.models)),
        Filter("Quantization", _choices("q", naming.quantizations)),
        Filter("Outcome", [(f"o-{name}", name.replace("-", " ")) for name in outcomes]),
    ]
    return [one for one in found if len(one.choices) > 1]


def of_table(group: Group, naming: Naming) -> str:
    """The CSS classes of a group's table."""
    scenario = f" s{naming.scenarios.rank(group.scenario)}" if naming.several_scenarios else ""
    return f"t{naming.tasks.rank(group.task)}{scenario} d{naming.devices.rank(group.device)}"


def of_row(row: StudyRow, naming: Naming) -> str:
    """The CSS classes of a cell's row."""
    model, quantization = (
        naming.models.rank(row["model"]),
        naming.quantizations.rank(way_of(row)),
    )
    return f"m{model} q{quantization} o-{row['outcome']}"
