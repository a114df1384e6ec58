"""The structure of measurement.json: measure.py writes it; score, figures, gates and reuse read it.

A measurement that ended early lacks what was not known by then: such keys are not written.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, Field, JsonValue, ValidationError

from frontier.catalogue.loads import Limits, Rates
from frontier.errors import UserError
from frontier.prompts import ShotStyle
from frontier.results import checksums, layout
from frontier.results.key import Amount, Count, Digest, MeasureIdentity
from frontier.results.part import Part
from frontier.results.session import (
    Adoption,
    Again,
    Asking,
    Contention,
    Loaded,
    Peaks,
    Served,
    Session,
)
from frontier.unicode import parse_json
from frontier.values import first_fault


class MeasuredShots(BaseModel):
    """The part of a task's worked examples that is read again."""

    count: Count
    as_: Annotated[ShotStyle, Field(alias="as")]


class MeasuredSamples(BaseModel):
    """The part of a task's random answers that is read again."""

    count: Count
    temperature: Amount
    top_p: Amount
    strata: dict[str, Amount] | None = None


class _Task(BaseModel):
    """The part of a measured task that is read again."""

    prompt: str
    follow_ups: tuple[str, ...] | None = None
    samples: MeasuredSamples | None = None
    choices: tuple[str, ...] | Literal["row"] | None = None
    shots: MeasuredShots | None = None


class ServerKeys(BaseModel):
    """The keys of the scenario `server` that are read again."""

    limits: Limits = Limits()
    rates: Rates = Rates()


class _Spec(BaseModel):
    """The parts of a specification (frontier/specs/measure.py) that are read again."""

    task: _Task
    scenario_keys: ServerKeys = ServerKeys()
    techniques: tuple[dict[str, JsonValue], ...] = ()
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
    spent: Amount | None = None
    """The money that its requests cost; None if they are free."""
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
    def follow_ups(self) -> tuple[str, ...]:
        """The templates of the further turns of each conversation."""
        return _Spec.model_validate_json(json.dumps(self.spec)).task.follow_ups or ()

    @property
    def choices(self) -> tuple[str, ...] | str | None:
        """The answers among which its questions are choices; None if texts are generated."""
        return _Spec.model_validate_json(json.dumps(self.spec)).task.choices

    @property
    def shots(self) -> MeasuredShots | None:
        """The task's worked examples; None if it has none."""
        return _Spec.model_validate_json(json.dumps(self.spec)).task.shots

    @property
    def samples(self) -> MeasuredSamples | None:
        """The task's random answers; None if the likeliest token is chosen."""
        return _Spec.model_validate_json(json.dumps(self.spec)).task.samples

    @property
    def server_keys(self) -> ServerKeys:
        """The limits and the rates of the scenario `server`."""
        return _Spec.model_validate_json(json.dumps(self.spec)).scenario_keys

    def technique(self, kind: str) -> dict[str, JsonValue] | None:
        """The block of a kind of technique, all keys included; None if it ran without one."""
        found = _Spec.model_validate_json(json.dumps(self.spec)).techniques
        return next((one for one in found if one.get("kind") == kind), None)

    @property
    def asking(self) -> list[Asking]:
        """The sessions that timed some of the requests."""
        began = {one.session: one.started for one in self.sessions}
        return [
            Asking(session=one.session, started=began.get(one.session), requests=one.requests)
            for one in (self.contention.sessions if self.contention else ())
        ]

    @property
    def again(self) -> list[Again]:
        """The sessions that asked something again because a gate failed, in order."""
        return [one.loaded.again for one in self.sessions if one.loaded.again]

    @property
    def times_asked(self) -> int:
        """The number of times that requests were asked, at most, because a gate failed."""
        return 1 + len(self.again)

    @property
    def servers(self) -> list[Served]:
        """The servers of the sessions that timed some of the requests, or of the only one."""
        asked = {one.session for one in self.asking}
        found = [one.loaded.server for one in self.sessions if one.session in asked or not asked]
        return [server for server in found if server]

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
