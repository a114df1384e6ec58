"""The study as one table: one row per cell, read from its JSON file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import BaseModel, ConfigDict

from frontier import figures
from frontier.catalogue.checking import one_of, scenarios
from frontier.errors import UserError
from frontier.results import layout
from frontier.results.columns import (
    COLUMNS,
    KEY,
    OUTCOMES,
    Column,
    MetricNote,
    metric_columns,
)
from frontier.results.outputs import Axes, schema
from frontier.unicode import parse_json


class AggregateSpec(BaseModel):
    """The specification of aggregate.py and compare.py."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    study: Axes | None = None


def columns() -> tuple[Column, ...]:
    """The columns that every study has. Raises UserError where a figure has one of the others'."""
    own = {column.name for column in COLUMNS}
    if taken := [column.name for column in figures.columns() if column.name in own]:
        raise UserError(f"frontier/figures: {taken[0]!r} is a column of the study without figures")
    return (*COLUMNS, *figures.columns())


NATIVE_QUANTIZATIONS = frozenset({"", "native"})
CHUNK = 512  # cells held as Python objects at a time, to bound the memory


def read_cell(path: Path) -> dict[str, Any]:
    """A cell's JSON. Raises UserError naming the file if it is missing, damaged or not a cell."""
    try:
        cell = parse_json(path.read_text(encoding="utf-8"), parse_constant=lambda _: None)
    except FileNotFoundError:
        raise UserError(f"{path}: no such cell") from None
    except ValueError as error:
        raise UserError(f"{path}: not a JSON file: {error}") from None
    names = cell.get("cell") if isinstance(cell, dict) else None
    wanted = ("variant", "model", "device", "task")
    if not isinstance(names, dict) or not all(isinstance(names.get(key), str) for key in wanted):
        raise UserError(f"{path}: no cell: 'cell' must name {', '.join(wanted)}")
    layout.check_version(cell.get("layout"), path)
    one_of(str(names.get("scenario")), scenarios(), f"{path}: scenario")
    if "@" in path.parent.name:  # added from another machine, where the device has no suffix
        names["device"] = path.parent.name
    if cell.get("outcome") not in OUTCOMES:
        raise UserError(f"{path}: outcome {cell.get('outcome')!r} is none of {', '.join(OUTCOMES)}")
    if not isinstance(cell.get("figures"), dict):
        raise UserError(f"{path}: no cell: it has no 'figures'")
    return dict(cell)


def is_native(names: Mapping[str, Any]) -> bool:
    """True if a cell's variant is its model as published."""
    quantization = names.get("quantization") or ""
    return quantization in NATIVE_QUANTIZATIONS or names["variant"] == names["model"]


@cache
def _columns_of_figures() -> dict[str, list[str]]:
    """The columns of figures by those that hold the value: that one, and low and high if any."""
    found: dict[str, list[str]] = {}
    for column in figures.columns():
        found.setdefault(column.interval_of or column.name, []).append(column.name)
    return found


def _figure(row: dict[str, Any], columns: Sequence[str], figure: Any) -> None:
    """Take in a figure, which may be an estimate with its ends."""
    if isinstance(figure, dict):
        row |= zip(columns, (figure.get(end) for end in ("value", "low", "high")), strict=False)
    else:
        row[columns[0]] = figure


def flatten(cell: Mapping[str, Any]) -> dict[str, Any]:
    """A cell's JSON as a row of the study, without keys that the cell lacks (null)."""
    names = cell["cell"]
    row: dict[str, Any] = {key: names[key] for key in ("variant", "model", "device", "task")}
    row["quantization"] = names.get("quantization") or "native"
    row["native"] = is_native(names)
    for key in ("outcome", "reason", "simulated", "random_weights"):
        row[key] = cell.get(key)
    if notes := (cell.get("provenance") or {}).get("adopted"):
        row["adopted"] = "; ".join(dict.fromkeys(str(note["because"]) for note in notes))
    known = _columns_of_figures()
    for name, figure in cell["figures"].items():
        if figure is not None and name in known:  # another release may have others
            _figure(row, known[name], figure)
    if score := cell.get("score"):
        metrics = score.get("metrics") or {}
        primary = metrics.get(score["primary"]) or {}
        row |= {"score_metric": score["primary"], "score_unit": primary.get("unit")}
        _figure(row, ("score", "score_low", "score_high"), primary)
        for name, metric in metrics.items():
            _figure(row, (name, f"{name}_low", f"{name}_high"), metric)
    return row


def metric_notes(cell: Mapping[str, Any]) -> dict[str, MetricNote]:
    """The unit and interval method of each metric in a cell."""
    metrics = (cell.get("score") or {}).get("metrics") or {}
    return {
        name: MetricNote(metric.get("unit") or "", metric.get("method") or "")
        for name, metric in metrics.items()
    }


def _frame(rows: list[dict[str, Any]], notes: Mapping[str, MetricNote]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=schema([*columns(), *metric_columns(notes)]))


def table(paths: Iterable[Path]) -> tuple[pl.DataFrame, dict[str, MetricNote]]:
    """The cells as a study, sorted by task, device and variant, with notes on its metrics.

    Memory: one chunk of cells as Python objects, the rest as columns; time linear in the cells.
    Raises UserError for a file that is not a cell, a metric named like another column, and a cell
    given twice.
    """
    notes: dict[str, MetricNote] = {}
    frames: list[pl.DataFrame] = []
    rows: list[dict[str, Any]] = []
    reserved = {column.name for column in columns()}
    for path in paths:
        cell = read_cell(path)
        for name, note in metric_notes(cell).items():
            if reserved & {name, f"{name}_low", f"{name}_high"}:
                raise UserError(f"{path}: metric {name!r} has the name of a column of the study")
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
        task, device, variant = twice.row(0)
        raise UserError(f"cell {variant} on {device} for {task} was given twice")
    return study, notes
