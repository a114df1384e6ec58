"""Readers of the report's content beyond the study: requests, provenance and examples.

One cell's requests are in memory at a time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from frontier import figures
from frontier.catalogue.ids import SINGLE_STREAM
from frontier.errors import UserError
from frontier.report.deciding.entries import PlottedVariant
from frontier.report.deciding.findings import Group, timed
from frontier.report.deciding.pareto import points_per_unit
from frontier.report.deciding.speed import LATENCY
from frontier.report.naming import Naming
from frontier.report.reading.distributions import quantiles
from frontier.report.reading.prompt_lengths import by_prompt
from frontier.results.cell import CellResult, Metric, read_cell
from frontier.results.cell import Provenance as CellProvenance
from frontier.results.cell_load import Loads
from frontier.results.columns import KEY, MetricNote, StudyRow
from frontier.results.layout import requests_of
from frontier.results.outputs import described, read_requests
from frontier.results.session import Adoption

Key = tuple[str, str, str, str]
BLOCKS = ("hardware", "surroundings", "packages")
"""The keys of a cell's provenance that are conditions; the others are figures."""


def key(names: Mapping[str, Any]) -> Key:
    """A cell's key: task, scenario, device, variant."""
    task, scenario, device, variant = (names[name] for name in KEY)
    return task, scenario, device, variant


def _ranges(provenance: CellProvenance) -> Iterator[tuple[str, float | None]]:
    """Figures that vary between cells and are shown as ranges, by their names."""
    if provenance.warmup:
        yield "Warm-up requests before the timed ones", provenance.warmup.requests
    if found := provenance.contention:
        yield "Cores that other processes used on average", found.foreign_cores
        if load := found.load_average:
            yield "Load average (1 minute) before", next(iter(load.before), None)
            yield "Load average (1 minute) after", next(iter(load.after), None)


@dataclass
class Provenance:
    """The conditions of one device's measurements: each distinct one once, and ranges."""

    conditions: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {name: {} for name in (*BLOCKS, *figures.conditions())}
    )
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    cells: int = 0

    def add(self, cell: CellResult) -> None:
        """Adds one measured cell."""
        self.cells += 1
        provenance = cell.provenance or CellProvenance()
        blocks = {name: getattr(provenance, name) for name in BLOCKS}
        for name, found in self.conditions.items():
            value = blocks[name] if name in blocks else cell.figures.get(name)
            if value is not None:
                found.setdefault(json.dumps(value, sort_keys=True), value)
        for name, value in _ranges(provenance):
            if value is not None:
                low, high = self.ranges.get(name, (value, value))
                self.ranges[name] = (min(low, value), max(high, value))


@dataclass(frozen=True)
class Cells:
    """The content of the cells' JSON files beyond the study."""

    paths: dict[Key, Path]
    provenance: dict[str, Provenance]
    metrics: dict[str, MetricNote]
    scores: dict[Key, Mapping[str, Metric]]
    """All metrics of each scored cell."""
    adopted: dict[Key, Sequence[Adoption]]
    """The notes of cells whose measurement was adopted."""
    provenances: dict[Key, CellProvenance]
    """The provenance of cells that a server answered."""
    loads: dict[Key, Loads] = field(default_factory=dict)
    """The rates of arrivals of cells in the scenario `server`."""


def read_cells(paths: Sequence[Path], study: Sequence[StudyRow]) -> Cells:
    """Reads the cells' JSON files one by one. Raises UserError unless they are the study's."""
    known = {key(row) for row in study}
    cells = Cells({}, {}, {}, {}, {}, {})
    for path in paths:
        cell = read_cell(path)
        place = key(vars(cell.cell))
        if place not in known:
            raise UserError(f"{path}: not a cell of the study; aggregate it first")
        cells.paths[place] = path
        cells.scores[place] = cell.metrics
        if cell.adopted:
            cells.adopted[place] = cell.adopted
        if cell.load and cell.outcome == "measured":
            cells.loads[place] = cell.load
        if cell.provenance and cell.provenance.servers:
            cells.provenances[place] = cell.provenance
        for name, note in cell.notes().items():
            cells.metrics.setdefault(name, note)
        if cell.outcome == "measured":
            device = cells.provenance.setdefault(cell.cell.device, Provenance())
            device.add(cell)
    if lacking := sorted(known - set(cells.paths)):
        first = described(dict(zip(KEY, lacking[0], strict=True)))
        raise UserError(f"{len(lacking)} cells of the study were not given, first {first}")
    return cells


def _scaled(row: StudyRow, factor: float) -> tuple[float | None, float | None]:
    low, high = row["score_low"], row["score_high"]
    return (None if low is None else low * factor, None if high is None else high * factor)


def entry(row: StudyRow, cells: Cells) -> PlottedVariant:
    """A timed cell with its requests' quantiles."""
    path = requests_of(cells.paths[key(row)])
    times = [time.column for time in figures.per_request()]
    requests = read_requests(path, times)
    factor = points_per_unit(row["score_unit"])
    return PlottedVariant(
        row["variant"],
        LATENCY.seconds(row),
        None if row["score"] is None else row["score"] * factor,
        LATENCY.bounds(row),
        _scaled(row, factor),
        {time: quantiles(requests, time) for time in times},
    )


def groups(
    study: Sequence[StudyRow],
    cells: Cells,
    naming: Naming,
    comparisons: Sequence[StudyRow],
    ratings: Sequence[StudyRow] = (),
) -> list[Group]:
    """The study's cells by task, scenario and device, in order of display, read for the charts.

    Raises UserError for a comparison of a cell outside the study.
    """
    found: dict[tuple[str, str, str], list[StudyRow]] = {}
    for row in sorted(study, key=naming.rank):
        found.setdefault((row["task"], row["scenario"], row["device"]), []).append(row)
    compared = {key(row): row for row in comparisons}
    if strangers := sorted(set(compared) - {key(row) for row in study}):
        first = described(dict(zip(KEY, strangers[0], strict=True)))
        raise UserError(f"the comparisons are of another study: {first} is not here")
    return [
        Group(
            task,
            scenario,
            device,
            rows,
            [entry(row, cells) for row in rows if timed(row)],
            comparisons=_given(rows, compared, "parent_variant"),
            references=_given(rows, compared, "reference_variant"),
            alone=_given(rows, compared, "alone_answers"),
            ratings=[
                row
                for row in ratings
                if (row["task"], row["scenario"], row["device"]) == (task, scenario, device)
            ],
            loads={
                row["variant"]: cells.loads[key(row)] for row in rows if key(row) in cells.loads
            },
            lengths=by_prompt(
                {
                    row["variant"]: requests_of(cells.paths[key(row)])
                    for row in rows
                    if row["outcome"] == "measured" and scenario == SINGLE_STREAM
                }
            ),
        )
        for (task, scenario, device), rows in found.items()
    ]


def _given(
    rows: Sequence[StudyRow], compared: Mapping[Key, StudyRow], column: str
) -> list[StudyRow]:
    """The comparisons of these cells in which a column is known."""
    found = (compared.get(key(row)) for row in rows)
    return [one for one in found if one is not None and one[column] is not None]
