"""Comparison of cells under load with the same variant asked one request at a time.

A batch sums in another order, and so may change an answer; a server may do more.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from frontier.catalogue.ids import SINGLE_STREAM
from frontier.results.cell import read_cell
from frontier.stats.significance import holm
from frontier.tables.references import SHARED, TAKEN
from frontier.tables.sides import (
    GENERATED,
    ComparedCell,
    against,
    join_requests,
    requests_of,
    side_of,
    verdict,
)
from frontier.tables.study import named

Place = tuple[str, str, str]


def table(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """The columns on the single-stream cell for each cell with generations in other scenarios.

    Only where both are in the study. Raises UserError for a file that is not a cell.
    """
    alone: dict[Place, ComparedCell] = {}
    others: list[ComparedCell] = []
    for path in paths:
        cell = read_cell(path)
        if cell.outcome in GENERATED:
            side = side_of(path, cell)
            if side.names.scenario == SINGLE_STREAM:
                alone[_place(side)] = side
            else:
                others.append(side)
    rows = [_row(alone[_place(side)], side) for side in others if _place(side) in alone]
    for row, p_holm in zip(rows, holm([row.get("alone_p") for row in rows]), strict=True):
        row["alone_p_holm"] = p_holm
        row["alone_verdict"] = verdict(row.get("alone_difference"), p_holm)
    return rows


def _place(side: ComparedCell) -> Place:
    return side.names.task, side.names.device, side.names.variant


def _row(alone: ComparedCell, side: ComparedCell) -> dict[str, Any]:
    """One comparison, without the columns that need all of them."""
    pairs = join_requests(requests_of(alone), requests_of(side))
    compared = against(alone, side, pairs)
    row: dict[str, Any] = {**named(side.names), "simulated": side.simulated}
    row |= {f"alone_{name}": compared.get(name) for name in TAKEN}
    row |= {name: compared[name] for name in SHARED if name in compared}
    row["alone_changed"] = int((pairs["prediction"] != pairs["prediction_right"]).sum())
    row["alone_answers"] = pairs.height
    row["alone_score"] = compared["base_score"]
    return row
