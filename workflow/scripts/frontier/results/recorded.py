"""The sessions and records of a measurement, from its journal or its finished files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from frontier.results import checksums
from frontier.results.measurement import Measurement
from frontier.results.records import Record
from frontier.results.session import Run, Session


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
        self.failed: set[str] = set()

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
        return self.ended.keys() - self.failed

    def add(self, record: Record, reading: dict[str, Any]) -> None:
        """Adds a record and the counters after it; it replaces one of a failure."""
        if record.key in self.ended:
            self.records = [one for one in self.records if one.key != record.key]
        self.records.append(record)
        self.ended[record.key] = reading
        failed = record.failure and not record.withheld  # a filter says the same again
        (self.failed.add if failed else self.failed.discard)(record.key)

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
        again = record is not None and (record.key in self.failed or self._replaces(record))
        if record is None or (record.key in self.ended and not again):
            return False
        self.add(record, reading)
        return True

    def _replaces(self, record: Record) -> bool:
        """True for a record of a session that asked again what an earlier one had asked."""
        if self.facts[record.session].loaded.again is None:
            return False
        return any(one.key == record.key and one.session < record.session for one in self.records)

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
