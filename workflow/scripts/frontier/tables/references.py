"""Comparison of each variant with the study's reference, on the same requests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from frontier.results.cell import read_cell
from frontier.results.key import Key
from frontier.stats.significance import holm
from frontier.tables.sides import (
    GENERATED,
    ComparedCell,
    against,
    join_requests,
    latency_ratio,
    requests_of,
    side_of,
    verdict,
)
from frontier.tables.study import named

TAKEN = ("requests", "difference", "difference_low", "difference_high", "difference_method", "p")
"""The columns of a comparison that are the same against a reference, after `reference_`."""
SHARED = ("score_metric", "score_unit", "score")


@dataclass(frozen=True)
class Found:
    """A cell, and its parts that are compared if it has generations."""

    names: Key
    outcome: str
    side: ComparedCell | None

    @property
    def where(self) -> tuple[str, str]:
        """Its task and scenario."""
        return self.names.task, self.names.scenario


def table(paths: Iterable[Path], reference: str | None) -> list[dict[str, Any]]:
    """The columns on the reference for each other cell with generations; none without one.

    A cell is compared with the reference's of the same task and scenario, on the same device or
    else the first that has one. Raises UserError for a file that is not a cell.
    """
    if reference is None:
        return []
    found = [_found(path) for path in paths]
    own: dict[tuple[str, str], list[Found]] = {}
    for one in found:
        if one.names.variant == reference:
            own.setdefault(one.where, []).append(one)
    rows = list(_rows(found, own, reference))
    for row, p_holm in zip(rows, holm([row.get("reference_p") for row in rows]), strict=True):
        row["reference_p_holm"] = p_holm
        row["reference_verdict"] = verdict(row.get("reference_difference"), p_holm)
    return rows


def _found(path: Path) -> Found:
    cell = read_cell(path)
    side = side_of(path, cell) if cell.outcome in GENERATED else None
    return Found(cell.cell, cell.outcome, side)


def _rows(
    found: Sequence[Found], own: dict[tuple[str, str], list[Found]], reference: str
) -> Iterator[dict[str, Any]]:
    """The rows without the corrections that need all of them."""
    for one in found:
        if one.side is None or one.names.variant == reference:
            continue
        row: dict[str, Any] = {**named(one.names), "simulated": one.side.simulated}
        row["reference_variant"] = reference
        if nearest := _nearest(own.get(one.where, ()), one.names.device):
            row["reference_device"] = nearest.names.device
            row["reference_outcome"] = nearest.outcome
            if nearest.side:
                row |= _against(nearest.side, one.side)
        yield row


def _nearest(cells: Sequence[Found], device: str) -> Found | None:
    """The reference's cell to compare with: first those with generations, then the same device."""
    return min(cells, key=lambda one: (not one.side, one.names.device != device), default=None)


def _against(reference: ComparedCell, side: ComparedCell) -> dict[str, Any]:
    """The figures of a cell against the reference's cell."""
    pairs = join_requests(requests_of(reference), requests_of(side))
    compared = against(reference, side, pairs)
    row = {f"reference_{name}": compared.get(name) for name in TAKEN}
    row |= {name: compared[name] for name in SHARED if name in compared}
    row["reference_score"] = compared["base_score"]
    if reference.timed and side.timed:
        ratio, _ = latency_ratio(pairs)
        row["reference_latency_ratio"] = ratio.value
        row["reference_latency_ratio_low"] = ratio.low
        row["reference_latency_ratio_high"] = ratio.high
    return row
