"""The records of a measurement: one line per request, and the sessions that asked them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

from pydantic import ValidationError

from frontier.arrivals import Arrival
from frontier.errors import UserError
from frontier.requests import CountedBy
from frontier.results import checksums
from frontier.results.measurement import Measurement
from frontier.results.session import Run, Session
from frontier.values import read_lines


@dataclass(frozen=True)
class Record:
    """One timed request.

    `due_ns`, when its scenario wanted it sent, and `start_ns`, when it was, are nanoseconds on the
    monotonic clock of the process numbered `session` (a measurement that was interrupted has
    several); all other times are nanoseconds since `start_ns`. `end_ns` is when the text was
    complete, tokenization and detokenization included. `tokens` were generated, as `counted_by`
    says (frontier/requests.py); `arrivals` has all of them, in order of time.

    `foreign_cores` is the average number of cores that other processes used meanwhile. A request
    during which the process was stopped is asked again, so there may be several `attempts`;
    `paused`: none of them was undisturbed. `prompt_sha256` is that of the prompt as the model reads
    it, in the chat template or in the user's. `input_sha256` is that of the task's own prompt, by
    which another sample's measurement finds it.

    The fields from `thinking` on are mostly a `Generation`'s, which only servers give; a line
    has those that are known. `failure` is the reason why there is no answer: such a record has
    no text, no token and no time that counts. `lost_shots` are the worked examples that its prompt
    lacks because the model had no room for them. `rate` and `repetition` are of the scenario
    `server`, which asks a request at several rates of arrivals and several times at each:
    arrivals per second, and the number of times that it was asked before at this rate. Where
    there is no rate, it is asked once.
    """

    id: str
    prompt_sha256: str
    text: str
    tokens: int
    prompt_tokens: int
    finish_reason: str
    due_ns: int
    start_ns: int
    arrivals: list[Arrival]
    end_ns: int
    session: int
    foreign_cores: float | None = None
    attempts: int = 1
    paused: bool = False
    input_sha256: str = ""
    counted_by: CountedBy = "engine"
    thinking: str = ""
    first_answer_ns: int | None = None
    cached_tokens: int | None = None
    retries: int = 0
    doubts: tuple[str, ...] = ()
    late_ns: tuple[int, ...] = ()
    failure: str | None = None
    lost_shots: int = 0
    rate: float | None = None
    repetition: int = 0

    @property
    def key(self) -> str:
        """Unique in a measurement."""
        return self.id if self.rate is None else f"{self.id} {self.repetition} at {self.rate!r}"

    @classmethod
    def of_line(cls, value: Mapping[str, Any]) -> Self | None:
        """The record in a line's JSON; None unless it has our keys and no others."""
        if not _KEYS <= value.keys() <= _KEYS | _SERVED.keys():
            return None
        arrivals = [Arrival(*one) for one in value["arrivals"]]
        listed = {name: tuple(value.get(name, ())) for name in ("doubts", "late_ns")}
        return cls(**{**value, "arrivals": arrivals, **listed})

    def line(self) -> dict[str, Any]:
        """The JSON-able value that `of_line` reads."""
        own = vars(self)
        return {name: one for name, one in own.items() if name in _KEYS or one != _SERVED[name]}

    @property
    def sound(self) -> bool:
        """True if it has an answer whose times nothing is known to have disturbed."""
        return self.failure is None and not self.paused and not self.doubts


def input_sha256(prompt: str) -> str:
    """The digest of a task's prompt, without the model's own or a chat template."""
    return hashlib.sha256(prompt.encode(errors="surrogatepass")).hexdigest()


_NAMES = [field.name for field in fields(Record)]
_KEYS = {*_NAMES[: _NAMES.index("thinking")]}
_SERVED = {field.name: field.default for field in fields(Record) if field.name not in _KEYS}
"""The keys that a line may lack, with the values that are not written."""
FORMER = "token_ns"  # a time per token, which earlier releases wrote instead of arrivals


def read(path: Path) -> list[Record]:
    """The records of a requests.jsonl. Raises UserError naming an invalid line."""
    records = []
    for number, line in enumerate(read_lines(path), start=1):
        value = dict(line) if isinstance(line, dict) else {}
        if FORMER in value:
            raise UserError(f"{path}: written by an earlier release ({FORMER!r}); measure it again")
        value.pop(checksums.KEY, None)
        record = Record.of_line(value)
        if record is None:
            unknown = value.keys() - _KEYS - _SERVED.keys()
            odd = ", ".join(map(repr, sorted(unknown | _KEYS - value.keys())))
            raise UserError(f"{path}: line {number} is not a request: missing or unknown: {odd}")
        records.append(record)
    return records


def rebind(content: bytes, before: str, after: str) -> bytes:
    """The lines of one identity's requests.jsonl, with the checksums for another.

    Raises ValueError if a line was altered, or is of another layout.
    """
    values = [checksums.read(line, before) for line in content.splitlines()]
    whole = [value for value in values if value is not None]
    if len(whole) < len(values):
        raise ValueError("a line was altered")
    if any(Record.of_line(value) is None for value in whole):
        raise ValueError("written by an earlier release, whose records had other keys")
    return b"".join(checksums.line(value, after) for value in whole)


class Recorded:
    """The sessions and records of a measurement, from the lines of a journal.

    Each process that worked on it is a session with a number, by which `facts` has it.

    Counters (frontier/measuring/contention.py) are read when a session starts timing, in `begun` by
    its number, and after each request, in `ended` by its key.
    """

    def __init__(self) -> None:
        """Starts without records."""
        self.records: list[Record] = []
        self.facts: dict[int, Session] = {}
        self.begun: dict[int, dict[str, Any]] = {}
        self.ended: dict[str, dict[str, Any]] = {}
        self._failed: set[str] = set()

    @property
    def sessions(self) -> tuple[Session, ...]:
        """The sessions, in order."""
        return tuple(self.facts[number] for number in sorted(self.facts))

    def open(self, session: Session, reading: dict[str, Any]) -> None:
        """Adds the start of a session."""
        self.facts[session.session], self.begun[session.session] = session, reading

    @property
    def answered_ids(self) -> set[str]:
        """The requests that have an answer, by their keys."""
        return self.ended.keys() - self._failed

    def add(self, record: Record, reading: dict[str, Any]) -> None:
        """Adds a record and the counters after it; it replaces one of a failure."""
        if record.key in self.ended:
            self.records = [one for one in self.records if one.key != record.key]
        self.records.append(record)
        self.ended[record.key] = reading
        (self._failed.add if record.failure else self._failed.discard)(record.key)

    def take(self, value: dict[str, Any] | None) -> bool:
        """Adds a line; False if it is not of this measurement, or a duplicate."""
        try:
            return value is not None and self._take(value)
        except ValidationError:  # written by another release
            return False

    def _take(self, value: dict[str, Any]) -> bool:
        session, reading = value.get("session", -1), value.pop("reading", None)
        if value.keys() == _OPENING:
            self.open(Session.of({"session": session, **value["facts"]}), reading)
            return True
        if session not in self.facts:
            return False
        if value.keys() == _CLOSING:
            facts = self.facts[session]
            self.facts[session] = facts.model_copy(update={"loaded": Run.of(value["loaded"])})
            return True
        record = Record.of_line(value)
        again = record is not None and record.key in self._failed
        if record is None or (record.key in self.ended and not again):
            return False
        self.add(record, reading)
        return True

    def lines(self, identity: str) -> bytes:
        """The lines of an equivalent journal of that `identity`."""
        ordered = sorted(self.records, key=lambda record: record.session)
        values = [
            *(opening(self.facts[number], self.begun[number]) for number in sorted(self.begun)),
            *({**record.line(), "reading": self.ended[record.key]} for record in ordered),
        ]
        return b"".join(checksums.line(value, identity) for value in values)


def opening(session: Session, reading: dict[str, Any]) -> dict[str, Any]:
    """The line for the start of a session."""
    facts = session.as_json()
    return {"session": facts.pop("session"), "facts": facts, "reading": reading}


def closing(session: Session) -> dict[str, Any]:
    """The line with a session's facts from loading, including its memory at the end."""
    return {"session": session.session, "loaded": session.loaded.as_json()}


_OPENING = {"session", "facts"}  # without the reading
_CLOSING = {"session", "loaded"}


def finished(requests: Path, measurement: Measurement, identity: str) -> Recorded:
    """The unaltered records of a requests.jsonl, with the sessions of its measurement.

    `identity`: that of the measurement. The records have the load during each request; for GPUs
    only the number of other processes seen during the session.
    """
    load = measurement.contention
    seen = {one.session: one.foreign_gpu_processes for one in (load.sessions if load else ())}
    at_all = load.foreign_gpu_processes if load else None
    found = Recorded()
    for session in measurement.sessions:
        found.open(session, {"gpu_processes": seen.get(session.session, at_all)})
    for line in requests.read_bytes().split(b"\n"):
        if value := checksums.read(line, identity):
            found.take({**value, "reading": {}})
    return found
