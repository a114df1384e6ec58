"""Validation of cells from other machines: types, sizes, names, digests.

Valid cells can be aggregated, compared and rendered; their texts stay untrusted and are escaped
where they are shown.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from frontier import figures
from frontier.errors import UserError
from frontier.exchange import parquet_check
from frontier.exchange.parquet_check import LARGEST
from frontier.host.locks import SMALL_BYTES
from frontier.planning.cells import variant_id
from frontier.results import checksums, layout
from frontier.results.cell import CellResult, Estimate, Figure, Score, check_known
from frontier.results.columns import Kind
from frontier.results.key import Block
from frontier.results.measurement import Measurement
from frontier.scorers import Scorer
from frontier.tables.sides import GENERATED
from frontier.tables.study import columns
from frontier.values import first_fault, sha256

Read = TypeVar("Read", bound=Block)
KINDS: Mapping[Kind, tuple[type, ...]] = {
    "text": (str,), "number": (int, float), "count": (int,), "flag": (bool,),
}  # fmt: skip
"""The values of a figure by its column's kind."""


def _number(text: str) -> float | int:
    """A JSON number. Raises ValueError if it is larger than any measurement."""
    value = float(text)
    if not math.isfinite(value) or abs(value) > LARGEST:
        raise ValueError(f"the number {text[:20]} is too large")
    return int(text) if text.removeprefix("-").isdigit() else value


def _read(path: Path, kind: type[Read]) -> Read:
    """A JSON file as a `kind`. Raises UserError naming the file and what is wrong with it."""
    try:
        if path.stat().st_size > SMALL_BYTES:
            raise UserError(f"{path}: larger than {SMALL_BYTES >> 20} MB")
        content = path.read_bytes()
        if checksums.has_one(content) and checksums.read(content) is None:
            raise UserError(f"{path}: altered since it was written")
        value = json.loads(
            content, parse_int=_number, parse_float=_number, parse_constant=lambda _: None
        )
        if isinstance(value, dict):
            layout.check_version(value.get("layout"), path)
            value.pop(checksums.KEY, None)
        # Serialized again, every key appears once, and too deep a nesting is rejected.
        return kind.model_validate_json(json.dumps(value))
    except ValidationError as invalid:
        raise UserError(f"{path}: not in this version's format: {first_fault(invalid)}") from None
    except FileNotFoundError:
        raise UserError(f"{path}: missing") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: unreadable JSON: {error}") from None


def summary(path: Path) -> CellResult:
    """A cell's JSON at VARIANT/DEVICE/TASK.json. Raises UserError unless it is that cell's."""
    found = _read(path, CellResult)
    names = found.cell
    place = names.place.name
    if layout.name_of(path) != place:
        raise UserError(f"{path}: says that it is the cell {place[:200]!r}")
    if names.variant != variant_id(names.model, names.quantization, names.techniques):
        raise UserError(
            f"{path}: variant {names.variant!r} is not its model, quantization and techniques"
        )
    check_known(names, path)
    if found.identity is None:
        raise UserError(f"{path}: not in this version's format: identity: Field required")
    _check_figures(path, found.figures)
    if found.score:
        _check_score(path, found.score)
    return found


def measured(path: Path) -> str:
    """The digest of a measurement.json's requests. Raises UserError."""
    return _read(path, Measurement).requests_sha256


def _check_figures(path: Path, given: Mapping[str, Figure]) -> None:
    """Raises UserError for a figure that does not fit its column of the study."""
    ends = {column.interval_of for column in figures.columns()}
    for column in figures.columns():
        kinds = KINDS[column.kind] + ((Estimate,) if column.name in ends else ())
        value = given.get(column.name)
        if value is not None and not isinstance(value, kinds):
            raise UserError(f"{path}: figures.{column.name}: not in this version's format")


def _check_score(path: Path, score: Score) -> None:
    """Raises UserError for metrics that collide with the study's columns."""
    taken = {column.name for column in columns()}
    for name in score.metrics:
        if name.endswith(("_low", "_high")) or taken & {name, f"{name}_low", f"{name}_high"}:
            raise UserError(f"{path}: metric {name!r} has the name of a column of the study")
    if score.primary not in score.metrics:
        raise UserError(f"{path}: its score has no metric {score.primary[:60]!r}")
    try:
        score.scorer.plugin()
    except ValueError as fault:
        raise UserError(f"{path}: score.scorer: {fault}") from None


def check(folder: Path, names: Sequence[str]) -> None:
    """Raises UserError, naming the file, unless these files below `folder` are valid cells."""
    files: dict[str, list[str]] = {}
    generated: dict[Path, Scorer | None] = {}
    for name in names:
        files.setdefault(layout.cell_of(name) or "", []).append(name)
    for cell, found in files.items():
        own = {f"{cell}.json", f"{cell}.parquet"}
        result = summary(folder / f"{cell}.json")
        runs = sorted(folder / name for name in found if name not in own)
        if not own <= set(found):
            raise UserError(f"{folder / cell}.parquet: missing")
        if result.table_sha256 not in (None, sha256(folder / f"{cell}.parquet")):
            raise UserError(f"{folder / cell}.parquet: altered since it was written")
        if result.outcome in GENERATED:
            generated[folder / f"{cell}.parquet"] = (
                result.score.scorer.plugin() if result.score else None
            )
        if runs:
            _check_run(runs, result.requests_sha256)
    parquet_check.check(generated)


def _check_run(paths: Sequence[Path], digest: str | None) -> None:
    """Raises UserError unless these are one measurement with the cell's requests."""
    whole = [path.name for path in paths] == [layout.MEASUREMENT, layout.REQUESTS]
    if not whole or paths[0].parent != paths[1].parent:
        raise UserError(f"{paths[0].parent}: not a single measurement with its requests")
    measurement, requests = paths
    if not digest == measured(measurement) == sha256(requests):
        raise UserError(f"{requests}: not the requests that its cell was scored from")
