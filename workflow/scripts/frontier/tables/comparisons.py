"""Comparison of each variant with its parent, on the same requests.

The parent of a variant with techniques is the one without the last of them; that of a quantized
variant is the native one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from frontier.results.cell import read_cell
from frontier.results.columns import COMPARISONS, FASTER, KEY, SLOWER
from frontier.results.outputs import schema
from frontier.stats.significance import holm
from frontier.tables.flips import divergence
from frontier.tables.sides import (
    GENERATED,
    ComparedCell,
    join_requests,
    latency_ratio,
    requests_of,
    scores,
    side_of,
    throughput_ratio,
    verdict,
)
from frontier.tables.study import named

NO_BASES: Mapping[str, str] = {}


def pair_with_parent(
    paths: Iterable[Path], bases: Mapping[str, str] = NO_BASES
) -> list[tuple[ComparedCell, ComparedCell]]:
    """Each variant with generations and its parent in the same place; pairs of one in a row.

    The native variant of a model with a base is paired with its base's.
    Raises UserError for a file that is not a cell.
    """
    found: dict[tuple[str, str, str, str], ComparedCell] = {}
    natives: dict[tuple[str, str, str, str], ComparedCell] = {}
    others: list[ComparedCell] = []
    for path in paths:
        cell = read_cell(path)
        if cell.outcome not in GENERATED:
            continue
        side = side_of(path, cell)
        found[_place(side, side.names.variant)] = side
        if not side.names.native or side.names.variant in bases:
            others.append(side)
        place = _place(side, side.names.model)
        # Others are compared with the model's own variant, or with another native one if that is
        # missing.
        if side.names.native and (place not in natives or side.names.variant == side.names.model):
            natives[place] = side
    pairs = []
    for side in others:
        if side.names.techniques:
            parent = found.get(_place(side, side.names.parent))
        else:
            base = bases.get(side.names.variant, side.names.model)
            parent = natives.get(_place(side, base if side.names.native else side.names.model))
        if parent is not None:
            pairs.append((parent, side))
    pairs.sort(key=lambda pair: (*_place(pair[0], pair[0].names.variant), pair[1].names.variant))
    return pairs


def _place(side: ComparedCell, variant: str) -> tuple[str, str, str, str]:
    """The place at which another variant is compared with a cell."""
    return side.names.task, side.names.scenario, side.names.device, variant


def _row(parent: ComparedCell, other: ComparedCell, pairs: pl.DataFrame) -> dict[str, Any]:
    """One comparison, without the columns that need all of them."""
    row: dict[str, Any] = named(other.names)
    row |= {
        "parent_variant": parent.names.variant,
        "simulated": other.simulated,
        "requests": pairs.height,
        "changed": int((pairs["prediction"] != pairs["prediction_right"]).sum()),
        "parent_bytes": parent.weights_bytes,
        "bytes": other.weights_bytes,
        **divergence(pairs),
        **scores(parent, other, pairs),
    }
    if parent.timed and other.timed:
        ratio, p = latency_ratio(pairs)
        row |= {"latency_ratio": ratio.value, "latency_ratio_low": ratio.low}
        row |= {"latency_ratio_high": ratio.high, "latency_p": p, "latency_method": ratio.method}
    if parent.throughput and other.throughput:
        row |= throughput_ratio(parent.throughput, other.throughput)
    if parent.weights_bytes and other.weights_bytes:
        row["bytes_ratio"] = other.weights_bytes / parent.weights_bytes
    return row


def rows(paths: Iterable[Path], bases: Mapping[str, str] = NO_BASES) -> Iterator[dict[str, Any]]:
    """All comparisons among the cells; holds two cells' requests in memory at a time."""
    latest: tuple[Path, pl.DataFrame] | None = None
    for parent, other in pair_with_parent(paths, bases):
        if latest is None or latest[0] != parent.path:
            latest = parent.path, requests_of(parent)
        yield _row(parent, other, join_requests(latest[1], requests_of(other)))


def corrected(found: list[dict[str, Any]]) -> None:
    """Adds Holm's corrections and the verdicts: a study's scores are a family, its times another.

    They answer two questions, on quality and on speed, each at its own 5 %.
    """
    for row, p_holm in zip(found, holm([row.get("p") for row in found]), strict=True):
        row["p_holm"] = p_holm
        row["verdict"] = verdict(row.get("difference"), p_holm)
    for row, p_holm in zip(found, holm([row.get("latency_p") for row in found]), strict=True):
        row["latency_p_holm"] = p_holm
        ratio = row.get("latency_ratio")
        change = None if ratio is None else ratio - 1
        row["latency_verdict"] = verdict(change, p_holm, FASTER, SLOWER)


def table(
    paths: Iterable[Path],
    referred: Iterable[dict[str, Any]] = (),
    bases: Mapping[str, str] = NO_BASES,
) -> pl.DataFrame:
    """All comparisons of a study, sorted by KEY; time linear in the cells.

    `referred`: columns on a reference (references.py) or on requests one at a time (alone.py),
    joined by cell. `bases`: the originals of models, by the models.
    Raises UserError for a file that is not a cell, or has no requests next to it.
    """
    found = list(rows(paths, bases))
    corrected(found)
    cells: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in (*referred, *found):
        cells.setdefault(tuple(row[name] for name in KEY), {}).update(row)
    return pl.DataFrame([*cells.values()], schema=schema(COMPARISONS)).sort(KEY)
