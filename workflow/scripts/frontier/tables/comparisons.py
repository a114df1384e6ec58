"""Comparison of each quantized variant with its native one, on the same requests."""

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


def pair_with_native(
    paths: Iterable[Path], bases: Mapping[str, str] = NO_BASES
) -> list[tuple[ComparedCell, ComparedCell]]:
    """Each variant with generations and its native one in the same place; pairs of one in a row.

    The native variant of a model with a base is paired with its base's.
    Raises UserError for a file that is not a cell.
    """
    natives: dict[tuple[str, str, str, str], ComparedCell] = {}
    others: list[ComparedCell] = []
    for path in paths:
        cell = read_cell(path)
        if cell.outcome not in GENERATED:
            continue
        side = side_of(path, cell)
        if not side.names.native:
            others.append(side)
            continue
        if side.names.variant in bases:
            others.append(side)
        place = _place(side)
        # Others are compared with the model's own variant, or with another native one if that is
        # missing.
        if place not in natives or side.names.variant == side.names.model:
            natives[place] = side
    found = [(natives.get(_compared_with(side, bases)), side) for side in others]
    pairs = [(native, side) for native, side in found if native is not None]
    pairs.sort(key=lambda pair: (*_place(pair[0]), pair[1].names.variant))
    return pairs


def _compared_with(side: ComparedCell, bases: Mapping[str, str]) -> tuple[str, str, str, str]:
    """The place of the native variant with which a cell is compared: its model's or its base's."""
    *place, model = _place(side)
    base = bases.get(side.names.variant, model) if side.names.native else model
    return place[0], place[1], place[2], base


def _place(side: ComparedCell) -> tuple[str, str, str, str]:
    return side.names.task, side.names.scenario, side.names.device, side.names.model


def _row(native: ComparedCell, other: ComparedCell, pairs: pl.DataFrame) -> dict[str, Any]:
    """One comparison, without the columns that need all of them."""
    row: dict[str, Any] = named(other.names)
    row |= {
        "native_variant": native.names.variant,
        "simulated": other.simulated,
        "requests": pairs.height,
        "changed": int((pairs["prediction"] != pairs["prediction_right"]).sum()),
        "native_bytes": native.weights_bytes,
        "bytes": other.weights_bytes,
        **divergence(pairs),
        **scores(native, other, pairs),
    }
    if native.timed and other.timed:
        ratio, p = latency_ratio(pairs)
        row |= {"latency_ratio": ratio.value, "latency_ratio_low": ratio.low}
        row |= {"latency_ratio_high": ratio.high, "latency_p": p, "latency_method": ratio.method}
    if native.throughput and other.throughput:
        row |= throughput_ratio(native.throughput, other.throughput)
    if native.weights_bytes and other.weights_bytes:
        row["bytes_ratio"] = other.weights_bytes / native.weights_bytes
    return row


def rows(paths: Iterable[Path], bases: Mapping[str, str] = NO_BASES) -> Iterator[dict[str, Any]]:
    """All comparisons among the cells; holds two cells' requests in memory at a time."""
    latest: tuple[Path, pl.DataFrame] | None = None
    for native, other in pair_with_native(paths, bases):
        if latest is None or latest[0] != native.path:
            latest = native.path, requests_of(native)
        yield _row(native, other, join_requests(latest[1], requests_of(other)))


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
