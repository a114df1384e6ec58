"""The records of a measurement: one line per request, and the sessions that asked them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, Self

from frontier.arrivals import Arrival
from frontier.errors import UserError
from frontier.results import checksums
from frontier.values import read_lines


@dataclass(frozen=True)
class Record:
    """One timed request.

    `due_ns`, when its scenario wanted it sent, and `start_ns`, when it was, are nanoseconds on the
    monotonic clock of the process numbered `session` (a measurement that was interrupted has
    several); all other times are nanoseconds since `start_ns`. `end_ns` is when the text was
    complete, tokenization and detokenization included. `tokens` were generated, as `counted_by`
    the engine or by a server's `usage`; `arrivals` has all of them, in order of time.

    `foreign_cores` is the average number of cores that other processes used meanwhile. A request
    during which the process was stopped is asked again, so there may be several `attempts`;
    `paused`: none of them was undisturbed. `prompt_sha256` is that of the prompt as the model reads
    it, in the chat template or in the user's. `input_sha256` is that of the task's own prompt, by
    which another sample's measurement finds it.
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
    counted_by: Literal["engine", "usage"] = "engine"

    @classmethod
    def of_line(cls, value: Mapping[str, Any]) -> Self | None:
        """The record in a line's JSON; None unless it has exactly our keys."""
        if value.keys() != _KEYS:
            return None
        return cls(**{**value, "arrivals": [Arrival(*one) for one in value["arrivals"]]})

    def line(self) -> dict[str, Any]:
        """The JSON-able value that `of_line` reads."""
        return dict(vars(self))


def input_sha256(prompt: str) -> str:
    """The digest of a task's prompt, without the model's own or a chat template."""
    return hashlib.sha256(prompt.encode(errors="surrogatepass")).hexdigest()


_KEYS = {field.name for field in fields(Record)}
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
            odd = ", ".join(map(repr, sorted(_KEYS ^ value.keys())))
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

    Each process that worked on it is a session with a number; `facts` has those of each: hardware,
    versions and, after loading, the facts that loading gave, as `loaded`.

    Counters (frontier/measuring/contention.py) are read when a session starts timing, in `begun` by
    its number, and after each request, in `ended` by its id.
    """

    def __init__(self) -> None:
        """Starts without records."""
        self.records: list[Record] = []
        self.facts: dict[int, dict[str, Any]] = {}
        self.begun: dict[int, dict[str, Any]] = {}
        self.ended: dict[str, dict[str, Any]] = {}

    @property
    def sessions(self) -> list[dict[str, Any]]:
        """The facts of each session and its number, in order."""
        return [{"session": number, **self.facts[number]} for number in sorted(self.facts)]

    def open(self, session: int, facts: dict[str, Any], reading: dict[str, Any]) -> None:
        """Adds the start of a session."""
        self.facts[session], self.begun[session] = facts, reading

    def add(self, record: Record, reading: dict[str, Any]) -> None:
        """Adds a record and the counters after it."""
        self.records.append(record)
        self.ended[record.id] = reading

    def take(self, value: dict[str, Any] | None) -> bool:
        """Adds a line; False if it is not of this measurement, or a duplicate."""
        if value is None:
            return False
        session, reading = value.get("session", -1), value.pop("reading", None)
        if value.keys() == _OPENING:
            self.open(session, value["facts"], reading)
            return True
        if session not in self.facts:
            return False
        if value.keys() == _CLOSING:
            self.facts[session]["loaded"] = value["loaded"]
            return True
        record = Record.of_line(value)
        if record is None or record.id in self.ended:
            return False
        self.add(record, reading)
        return True

    def lines(self, identity: str) -> bytes:
        """The lines of an equivalent journal of that `identity`."""
        ordered = sorted(self.records, key=lambda record: record.session)
        values = [
            *(
                opening(number, self.facts[number], self.begun[number])
                for number in sorted(self.begun)
            ),
            *({**record.line(), "reading": self.ended[record.id]} for record in ordered),
        ]
        return b"".join(checksums.line(value, identity) for value in values)


def opening(session: int, facts: dict[str, Any], reading: dict[str, Any]) -> dict[str, Any]:
    """The line for the start of a session."""
    return {"session": session, "facts": facts, "reading": reading}


def closing(session: int, loaded: dict[str, Any]) -> dict[str, Any]:
    """The line with a session's facts from loading, including its memory at the end."""
    return {"session": session, "loaded": loaded}


_OPENING = opening(0, {}, {}).keys() - {"reading"}
_CLOSING = closing(0, {}).keys()


def asking_sessions(measurement: dict[str, Any]) -> list[dict[str, Any]]:
    """The start of each process that asked some of the requests, and their number."""
    asked = (measurement.get("contention") or {}).get("sessions", [])
    began = {one.get("session"): one.get("started") for one in measurement["sessions"]}
    return [
        {
            "session": one["session"],
            "started": began.get(one["session"]),
            "requests": one["requests"],
        }
        for one in asked
    ]


def adopted(sessions: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The notes of adopted sessions, by earlier code or packages, each once."""
    notes = (note for session in sessions for note in session.get("adopted", []))
    return list({json.dumps(note): note for note in notes}.values())


def finished(requests: Path, measurement: dict[str, Any], identity: str) -> Recorded:
    """The unaltered records of a requests.jsonl, with the sessions of its measurement.json.

    `identity`: that of the measurement. The records have the load during each request; for GPUs
    only the number of other processes seen during the session.
    """
    contention = measurement.get("contention") or {}
    strangers = {
        one["session"]: one.get("foreign_gpu_processes")
        for one in contention.get("sessions", [])
        if "foreign_gpu_processes" in one
    }
    found = Recorded()
    for session in measurement["sessions"]:
        number = session["session"]
        facts = {key: one for key, one in session.items() if key != "session"}
        seen = strangers.get(number, contention.get("foreign_gpu_processes"))
        found.open(number, facts, {"gpu_processes": seen})
    for line in requests.read_bytes().split(b"\n"):
        if value := checksums.read(line, identity):
            found.take({**value, "reading": {}})
    return found
