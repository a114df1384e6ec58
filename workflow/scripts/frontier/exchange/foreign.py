"""Validation of cells from other machines: types, sizes, names, digests.

Valid cells can be aggregated, compared and rendered; their texts stay untrusted and are escaped
where they are shown.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from frontier import figures
from frontier.errors import UserError
from frontier.exchange import parquet_check
from frontier.exchange.parquet_check import LARGEST
from frontier.host.locks import SMALL_BYTES
from frontier.planning.cells import variant_id
from frontier.results import checksums, layout
from frontier.results.columns import OUTCOMES, Kind
from frontier.scorers import AnyScorer, Scorer
from frontier.tables.comparisons import GENERATED
from frontier.tables.study import columns
from frontier.values import first_fault, sha256

Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Amount = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=0)]


class _Block(BaseModel):
    """A block of a cell; keys that nothing reads are allowed."""

    model_config = ConfigDict(strict=True, frozen=True)


class Names(_Block):
    """The names of the cell."""

    variant: str
    model: str
    quantization: str
    techniques: list[str]
    device: str
    task: str
    scenario: str


class Figure(_Block):
    """A time or a rate with its interval."""

    value: Amount | None = None
    low: Amount | None = None
    high: Amount | None = None


KINDS: Mapping[Kind, tuple[type, ...]] = {
    "text": (str,), "number": (int, float), "count": (int,), "flag": (bool,),
}  # fmt: skip
"""The values of a figure by its column's kind."""


class Metric(_Block):
    """A figure of a score."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    unit: str
    method: str


class Score(_Block):
    """The score of the generations."""

    primary: str
    requests: Count
    metrics: dict[Annotated[str, Field(pattern="^[a-z][a-z0-9_]{0,59}$")], Metric]
    scorer: AnyScorer


class Session(_Block):
    """A process that timed some of the requests."""

    session: Count
    started: str | None = None
    requests: Count


class Adoption(_Block):
    """A note on the adoption of a measurement by earlier code or packages."""

    because: str


class Provenance(_Block):
    """Hardware and software of the measurement."""

    hardware: dict[str, Any] | None = None
    packages: dict[str, str] | None = None
    sessions: list[Session] | None = None
    adopted: list[Adoption] = []


class Identity(_Block):
    """The cell's identity."""

    digest: str


class Summary(_Block):
    """The parts of a cell's JSON that are read."""

    cell: Names
    outcome: Annotated[str, Field(pattern=rf"^({'|'.join(OUTCOMES)})$")]
    reason: str | None = None
    simulated: bool | None = None
    random_weights: bool | None = None
    score: Score | None = None
    figures: dict[str, Figure | Count | Amount | str | None]
    provenance: Provenance | None = None
    requests_sha256: Digest | None = None
    table_sha256: Digest | None = None
    identity: Identity


class Measurement(_Block):
    """The parts of a measurement.json that identify its requests."""

    requests_sha256: Digest


def _number(text: str) -> float | int:
    """A JSON number. Raises ValueError if it is larger than any measurement."""
    value = float(text)
    if not math.isfinite(value) or abs(value) > LARGEST:
        raise ValueError(f"the number {text[:20]} is too large")
    return int(text) if text.removeprefix("-").isdigit() else value


def _read(path: Path, kind: type[_Block]) -> Any:
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
        # Serialized again, every key appears once, and too deep a nesting is rejected.
        return kind.model_validate_json(json.dumps(value))
    except ValidationError as invalid:
        raise UserError(f"{path}: not in this version's format: {first_fault(invalid)}") from None
    except FileNotFoundError:
        raise UserError(f"{path}: missing") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: unreadable JSON: {error}") from None


def summary(path: Path) -> Summary:
    """A cell's JSON at VARIANT/DEVICE/TASK.json. Raises UserError unless it is that cell's."""
    found: Summary = _read(path, Summary)
    names = found.cell
    place = layout.Place(names.variant, names.device, names.task, names.scenario).name
    if layout.name_of(path) != place:
        raise UserError(f"{path}: says that it is the cell {place[:200]!r}")
    if names.variant != variant_id(names.model, names.quantization, names.techniques):
        raise UserError(
            f"{path}: variant {names.variant!r} is not its model, quantization and techniques"
        )
    _check_figures(path, found.figures)
    if found.score:
        _check_score(path, found.score)
    return found


def measured(path: Path) -> str:
    """The digest of a measurement.json's requests. Raises UserError."""
    found: Measurement = _read(path, Measurement)
    return found.requests_sha256


def _check_figures(path: Path, given: Mapping[str, Figure | float | str | None]) -> None:
    """Raise UserError for a figure that its column of the study cannot hold."""
    ends = {column.interval_of for column in figures.columns()}
    for column in figures.columns():
        kinds = KINDS[column.kind] + ((Figure,) if column.name in ends else ())
        value = given.get(column.name)
        if value is not None and not isinstance(value, kinds):
            raise UserError(f"{path}: figures.{column.name}: not as this version writes it")


def _check_score(path: Path, score: Score) -> None:
    """Raise UserError for metrics that the study has no place for."""
    taken = {column.name for column in columns()}
    for name in score.metrics:
        if name.endswith(("_low", "_high")) or taken & {name, f"{name}_low", f"{name}_high"}:
            raise UserError(f"{path}: metric {name!r} has the name of a column of the study")
    if score.primary not in score.metrics:
        raise UserError(f"{path}: its score has no metric {score.primary[:60]!r}")


def check(folder: Path, names: Sequence[str]) -> None:
    """Raises UserError, naming the file, unless these files below `folder` are valid cells."""
    files: dict[str, list[str]] = {}
    generated: dict[Path, Scorer | None] = {}
    for name in names:
        files.setdefault(layout.cell_of(name) or "", []).append(name)
    for cell, found in files.items():
        own = {f"{cell}.json", f"{cell}.parquet"}
        told = summary(folder / f"{cell}.json")
        runs = sorted(folder / name for name in found if name not in own)
        if not own <= set(found):
            raise UserError(f"{folder / cell}.parquet: missing")
        if told.table_sha256 not in (None, sha256(folder / f"{cell}.parquet")):
            raise UserError(f"{folder / cell}.parquet: altered since it was written")
        if told.outcome in GENERATED:
            generated[folder / f"{cell}.parquet"] = told.score.scorer if told.score else None
        if runs:
            _check_run(runs, told.requests_sha256)
    parquet_check.check(generated)


def _check_run(paths: Sequence[Path], digest: str | None) -> None:
    """Raises UserError unless these are one measurement with the cell's requests."""
    whole = [path.name for path in paths] == [layout.MEASUREMENT, layout.REQUESTS]
    if not whole or paths[0].parent != paths[1].parent:
        raise UserError(f"{paths[0].parent}: not one measurement with its requests")
    measurement, requests = paths
    if not digest == measured(measurement) == sha256(requests):
        raise UserError(f"{requests}: not the requests that its cell was scored from")
