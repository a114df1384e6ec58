"""The study as one table: one row per cell, read from its JSON file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from frontier import figures
from frontier.errors import UserError
from frontier.results.cell import CellResult, Estimate, Figure, Metric, read_cell
from frontier.results.columns import (
    COLUMNS,
    KEY,
    Column,
    MetricNote,
    metric_columns,
)
from frontier.results.key import Key
from frontier.results.outputs import Axes, described, schema


class AggregateSpec(BaseModel):
    """The specification of aggregate.py and compare.py."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    study: Axes | None = None
    bases: dict[str, str] = Field(default_factory=dict)
    """The originals of models, by the models."""


def columns() -> tuple[Column, ...]:
    """The columns that every study has. Raises UserError where a figure has one of the others'."""
    own = {column.name for column in COLUMNS}
    if taken := [column.name for column in figures.columns() if column.name in own]:
        raise UserError(f"frontier/figures: {taken[0]!r} is a column of the study without figures")
    return (*COLUMNS, *figures.columns())


CHUNK = 512  # cells held as Python objects at a time, to bound the memory


@cache
def _columns_of_figures() -> dict[str, list[str]]:
    """The columns of figures by those that hold the value: that one, and low and high if any."""
    found: dict[str, list[str]] = {}
    for column in figures.columns():
        found.setdefault(column.interval_of or column.name, []).append(column.name)
    return found


def _figure(row: dict[str, object], columns: Sequence[str], figure: Figure | Metric) -> None:
    """Adds a figure, which may be an estimate with its ends."""
    if isinstance(figure, Estimate | Metric):
        row |= zip(columns, (figure.value, figure.low, figure.high), strict=False)
    else:
        row[columns[0]] = figure


def named(names: Key) -> dict[str, object]:
    """The columns that identify a cell and describe its variant."""
    return {**vars(names), "techniques": "+".join(names.techniques) or None}


def flatten(cell: CellResult) -> dict[str, object]:
    """A cell as a row of the study, without columns that the cell lacks (null)."""
    names = cell.cell
    row: dict[str, object] = {
        **named(names),
        "native": names.native,
        "outcome": cell.outcome,
        "reason": cell.reason,
        "simulated": cell.simulated,
        "random_weights": cell.random_weights,
    }
    if cell.adopted:
        row["adopted"] = "; ".join(dict.fromkeys(note.because for note in cell.adopted))
    known = _columns_of_figures()
    for name, figure in cell.figures.items():
        if figure is not None and name in known:  # another release may have others
            _figure(row, known[name], figure)
    if score := cell.score:
        primary = score.metrics[score.primary]
        row |= {"score_metric": score.primary, "score_unit": primary.unit}
        _figure(row, ("score", "score_low", "score_high"), primary)
        for name, metric in score.metrics.items():
            _figure(row, (name, f"{name}_low", f"{name}_high"), metric)
    return row


def _frame(rows: list[dict[str, object]], notes: Mapping[str, MetricNote]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=schema([*columns(), *metric_columns(notes)]))


def table(paths: Iterable[Path]) -> tuple[pl.DataFrame, dict[str, MetricNote]]:
    """The cells as a study, sorted by KEY, with notes on its metrics.

    Memory: one chunk of cells as Python objects, the rest as columns; time linear in the cells.
    Raises UserError for a file that is not a cell, a metric with another one's column, and a cell
    given twice.
    """
    notes: dict[str, MetricNote] = {}
    frames: list[pl.DataFrame] = []
    rows: list[dict[str, object]] = []
    owners = dict.fromkeys((column.name for column in columns()), "the study")
    for path in paths:
        cell = read_cell(path)
        for name, note in cell.notes().items():
            for column in (name, f"{name}_low", f"{name}_high"):
                if (owner := owners.setdefault(column, f"metric {name!r}")) != f"metric {name!r}":
                    raise UserError(f"{path}: metric {name!r} has the name of a column of {owner}")
            notes.setdefault(name, note)
        rows.append(flatten(cell))
        if len(rows) == CHUNK:
            frames.append(_frame(rows, notes))
            rows = []
    frames.append(_frame(rows, notes))
    order = [column.name for column in (*columns(), *metric_columns(notes))]
    study = pl.concat(frames, how="diagonal").select(order).sort(KEY)
    twice = study.filter(study.select(KEY).is_duplicated()).select(KEY)
    if twice.height:
        raise UserError(f"cell {described(twice.row(0, named=True))} was given twice")
    return study, notes
