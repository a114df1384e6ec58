"""The structure of a cell's JSON: score.py writes it; tables, report and exchange read it.

Missing values are null, never 0. Keys that are not read are allowed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self

from pydantic import ConfigDict, Field, JsonValue, ValidationError

from frontier.catalogue.checking import one_of, scenarios
from frontier.errors import UserError
from frontier.results import layout
from frontier.results.cell_load import Loads
from frontier.results.columns import OUTCOMES, MetricNote
from frontier.results.key import Amount, Block, Count, Digest, Key
from frontier.results.part import LoadAverage
from frontier.results.session import Adoption, Asking, Served
from frontier.scorers import CHOSEN, Scorer
from frontier.unicode import parse_json, well_formed
from frontier.values import first_fault

Outcome = Annotated[str, Field(pattern=rf"^({'|'.join(OUTCOMES)})$")]
MetricName = Annotated[str, Field(pattern="^[a-z][a-z0-9_]{0,59}$")]


class Recorded(Block):
    """A block whose further keys are written as well."""

    model_config = ConfigDict(extra="allow")


class Estimate(Block):
    """A time or a rate with its interval."""

    value: Amount | None = None
    low: Amount | None = None
    high: Amount | None = None
    method: str | None = None


Figure = Estimate | Count | Amount | str | None
"""A figure: an estimate, or a plain value."""


class Metric(Block):
    """A figure of a score, with its interval."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    unit: str
    method: str


class ScorerBlock(Block):
    """The scorer, as in its task's block."""

    kind: str
    options: dict[str, JsonValue]

    def plugin(self) -> Scorer:
        """The scorer with its keys. Raises ValueError for an unknown scorer or key."""
        return CHOSEN.read({"kind": self.kind, "options": self.options})


class Score(Block):
    """The score of the generations."""

    primary: str
    requests: Count
    metrics: dict[MetricName, Metric]
    details: JsonValue = None
    scorer: ScorerBlock
    unavailable: str | None = None
    """The reason why the machine that scored could score nothing."""


class WarmUp(Recorded):
    """The untimed requests before the timed ones."""

    requests: Count | None = None


class Contention(Recorded):
    """The use of the machine by other processes meanwhile."""

    foreign_cores: Amount | None = None
    load_average: LoadAverage | None = None


class Provenance(Block):
    """Hardware, software and conditions of the measurement."""

    hardware: dict[str, JsonValue] | None = None
    packages: dict[str, str] | None = None
    surroundings: dict[str, JsonValue] | None = None
    """The code's commit, the processor's governor and the container, as far as they are known."""
    loaded_in: int | None = None
    warmup: WarmUp | None = None
    contention: Contention | None = None
    sample_sha256: str | None = None
    weights_sha256: str | None = None
    quantized_layers: Count | None = None
    sessions: tuple[Asking, ...] = ()
    servers: tuple[Served, ...] = ()
    """The server of each session that one answered, as far as it is known."""
    repeatable: bool | None = None
    """False at an endpoint, which may change behind its name: no two runs need be alike."""
    adopted: tuple[Adoption, ...] = ()


class Identity(Block):
    """The parts of the cell's identity (frontier/planning/step.py) that machines compare."""

    digest: str
    inputs: JsonValue = None
    spec: JsonValue = None
    code: JsonValue = None
    command: JsonValue = None
    packages: JsonValue = None


class CellResult(Block):
    """A cell."""

    layout: int
    cell: Key
    outcome: Outcome
    reason: str | None = None
    figures: dict[str, Figure]
    simulated: bool | None = None
    random_weights: bool | None = None
    score: Score | None = None
    load: Loads | None = None
    """The rates of arrivals in the scenario `server`."""
    provenance: Provenance | None = None
    requests_sha256: Digest | None = None
    table_sha256: Digest | None = None
    identity: Identity | None = None

    @classmethod
    def of(cls, value: Mapping[str, object]) -> Self:
        """The cell for a value to be written. Raises UserError if it could not be read again."""
        try:
            return cls.model_validate_json(well_formed(json.dumps(value, ensure_ascii=False)))
        except ValidationError as invalid:
            raise UserError(f"the cell cannot be written: {first_fault(invalid)}") from None

    @property
    def metrics(self) -> dict[str, Metric]:
        """The metrics of its score, if it has one."""
        return self.score.metrics if self.score else {}

    @property
    def adopted(self) -> tuple[Adoption, ...]:
        """The notes on adoptions of measurements by earlier code or packages."""
        return self.provenance.adopted if self.provenance else ()

    def notes(self) -> dict[str, MetricNote]:
        """The unit and interval method of each metric."""
        return {name: MetricNote(one.unit, one.method) for name, one in self.metrics.items()}


def check_known(names: Key, path: Path) -> None:
    """Raises UserError for a scenario that this release does not have."""
    one_of(names.scenario, scenarios(), f"{path}: scenario")


def read_cell(path: Path) -> CellResult:
    """A cell's JSON. Raises UserError naming the file if it is missing, damaged or not a cell."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path}: no such cell") from None
    try:
        cell = CellResult.model_validate_json(content)
    except ValidationError:
        cell = _mended(path, content)
    layout.check_version(cell.layout, path)
    check_known(cell.cell, path)
    if "@" in path.parent.name:  # added from another machine, where the device has no suffix
        names = cell.cell.model_copy(update={"device": path.parent.name})
        return cell.model_copy(update={"cell": names})
    return cell


def _mended(path: Path, content: bytes) -> CellResult:
    """The value with null for NaN and U+FFFD for lone surrogates. Raises UserError otherwise."""
    try:
        value = parse_json(content, parse_constant=lambda _: None)
    except ValueError as error:
        raise UserError(f"{path}: not a JSON file: {error}") from None
    names = value.get("cell") if isinstance(value, dict) else None
    wanted = ("variant", "model", "device", "task")
    if not isinstance(names, dict) or not all(isinstance(names.get(key), str) for key in wanted):
        raise UserError(f"{path}: not a cell: 'cell' must name {', '.join(wanted)}")
    layout.check_version(value.get("layout"), path)
    if value.get("outcome") not in OUTCOMES:
        known = ", ".join(OUTCOMES)
        raise UserError(f"{path}: outcome {value.get('outcome')!r} is not one of {known}")
    try:
        return CellResult.model_validate_json(json.dumps(value))
    except ValidationError as invalid:
        fault = first_fault(invalid)
        raise UserError(f"{path}: not in this version's format: {fault}; score it again") from None
