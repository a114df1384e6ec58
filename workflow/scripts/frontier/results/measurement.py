"""The structure of measurement.json: measure.py writes it; score, figures, gates and reuse read it.

A measurement that ended early lacks what was not known by then: such keys are not written.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationError

from frontier.errors import UserError
from frontier.results import checksums, layout
from frontier.results.key import Amount, Block, Count, Digest, MeasureIdentity
from frontier.unicode import parse_json
from frontier.values import first_fault


class Part(Block):
    """A block of measurement.json, without unknown keys."""

    model_config = ConfigDict(extra="forbid", serialize_by_alias=True)

    @classmethod
    def of(cls, value: object) -> Self:
        """The block in a value parsed from JSON. Raises ValidationError."""
        return cls.model_validate_json(json.dumps(value))

    def given(self) -> dict[str, Any]:
        """The values of the keys that are known, by name."""
        return {name: getattr(self, name) for name in self.model_fields_set}

    def as_json(self) -> dict[str, Any]:
        """The JSON-able value that `of` reads, in the order of the keys above."""
        return self.model_dump(mode="json", exclude_unset=True)


class WarmUp(Part):
    """The result of a warm-up."""

    requests: Count
    settled: bool
    """Whether latency settled."""
    last_change: Amount | None
    """The relative change between the last two rounds; None after a single round."""
    seconds: Amount


class LoadAverage(Part):
    """The host's load averages over 1, 5 and 15 minutes."""

    before: tuple[Amount, ...] = ()
    after: tuple[Amount, ...] = ()


class Peaks(Part):
    """The peak memory in bytes; None if the device shares the host's."""

    device_peak_bytes: Count | None
    host_peak_bytes: Count | None


class Loaded(Part):
    """The facts that loading gave."""

    start_s: float | None = None
    """The time from the start of the process until loading began."""
    threads: Count | None = None
    load_s: Amount | None = None
    """None also if the process was paused meanwhile."""
    weights_bytes: Count | None = None
    quantized_layers: Count | None = None
    kv_bytes_per_token: Count | None = None
    kernel: str | None = None
    simulated: bool = False
    random_weights: bool = False
    room: Count | None = None
    """The tokens for which room was reserved, if answers and times depend on it."""
    warmup: WarmUp | None = None


class Run(Loaded):
    """A session's facts from loading to its end."""

    load_average: LoadAverage | None = None
    memory: Peaks | None = None


class Adoption(Part):
    """A note on the adoption of a measurement by earlier code or packages."""

    earlier: str = Field(alias="from", default="")
    """The digest of the earlier measurement's identity."""
    when: str = ""
    because: str
    differs: tuple[str, ...] = ()


class Session(Part):
    """A process that timed requests. A measurement has several if it was interrupted or reuses
    another sample's requests."""

    session: Count
    """Its number in the measurement."""
    started: str
    request: str | None = None
    """The identity of its requests; None for a specification by hand."""
    weights_sha256: str | None = None
    hardware: dict[str, JsonValue]
    packages: dict[str, str]
    loaded: Run = Run()
    adopted: tuple[Adoption, ...] = ()
    """The notes by which its packages count as the current ones."""


class SessionLoad(Part):
    """The use of processors and GPUs by others while a session timed requests."""

    session: Count
    requests: Count
    foreign_cores: Amount
    foreign_gpu_processes: Count | None = None


class Contention(Part):
    """The use of processors and GPUs by others while requests were timed."""

    load_average: LoadAverage | None = None
    foreign_cores: Amount
    """Average over the time of all requests."""
    sessions: tuple[SessionLoad, ...] = ()
    """One for each session that timed some of the requests."""
    foreign_gpu_processes: Count | None
    """The largest number seen at once; None without a GPU."""


class Asking(Part):
    """A process that timed some of the requests."""

    session: Count
    started: str | None = None
    requests: Count


class _Task(BaseModel):
    """The part of a measured task that is read again."""

    prompt: str


class _Spec(BaseModel):
    """The parts of a specification (frontier/specs/measure.py) that are read again."""

    task: _Task
    identity: MeasureIdentity | None = None


def _readable(spec: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Raises ValueError unless the parts that are read are there."""
    _Spec.model_validate(spec)
    return spec


class Attempt(Part):
    """The end of an attempt to measure a cell, with its settings."""

    layout: int
    outcome: str
    reason: str | None
    dtype: str
    engine: str
    environment: str | None

    def ended(self, outcome: str, reason: str | None) -> Self:
        """The attempt with this outcome."""
        return self.model_copy(update={"outcome": outcome, "reason": reason})


class Measurement(Loaded, Attempt):  # the keys of the last class come first
    """A measurement with any outcome."""

    memory: Peaks | None
    """None if nothing was loaded."""
    loaded_in: Count | None = None
    """The session whose facts from loading are those above."""
    contention: Contention | None = None
    spec: Annotated[dict[str, JsonValue], AfterValidator(_readable)]
    """The specification of measure.py."""
    sessions: tuple[Session, ...]
    requests: Count
    requests_sha256: Digest
    sample_sha256: Digest
    weights_sha256: str | None
    copied_from: str | None = None
    """The identity of the measurement of which this is an adopted copy."""

    @property
    def identity(self) -> MeasureIdentity | None:
        """The identity; None for a specification by hand."""
        return _Spec.model_validate(self.spec).identity

    @property
    def template(self) -> str:
        """The template of the task's prompts."""
        return _Spec.model_validate(self.spec).task.prompt

    @property
    def asking(self) -> list[Asking]:
        """The sessions that timed some of the requests."""
        began = {one.session: one.started for one in self.sessions}
        return [
            Asking(session=one.session, started=began.get(one.session), requests=one.requests)
            for one in (self.contention.sessions if self.contention else ())
        ]

    @property
    def adopted(self) -> list[Adoption]:
        """The notes of adopted sessions, by earlier code or packages, each once."""
        notes = (note for session in self.sessions for note in session.adopted)
        return list(dict.fromkeys(notes))


def read(path: Path) -> Measurement:
    """A measurement.json. Raises UserError naming the file if it is not one, or was altered."""
    try:
        content = path.read_bytes()
        value = parse_json(content)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: unreadable JSON: {error}") from None
    if checksums.has_one(content) and (value := checksums.read(content)) is None:
        raise UserError(f"{path}: altered since it was written")
    layout.check_version(value.get("layout") if isinstance(value, dict) else None, path)
    try:
        return Measurement.of(value)
    except ValidationError as invalid:
        fault = first_fault(invalid)
        raise UserError(f"{path}: not in this version's format: {fault}; measure again") from None


def unaltered(content: bytes) -> Measurement | None:
    """The measurement in a file's bytes; None if altered, or in another release's format."""
    value = checksums.read(content)
    try:
        return Measurement.of(value) if value and value.get("layout") == layout.VERSION else None
    except ValidationError:
        return None
