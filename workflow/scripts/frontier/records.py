"""What is kept of a measurement: one line a request, appended as they come."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from frontier import checksums
from frontier.errors import check_interrupted
from frontier.host.files import read_lines, write_bytes


@dataclass(frozen=True)
class Record:
    """One timed request. All times but `start_ns` are nanoseconds since the request's start.

    `start_ns` is on the monotonic clock of the process numbered `session`; a measurement that was
    interrupted has several. `token_ns` has one time a generated token, `end_ns` is the end-to-end
    latency, tokenization and detokenization included. `foreign_cores` are those that other
    processes used meanwhile. A request during which the process was stopped is asked again, so
    that there are several `attempts`; `paused`: none of them was undisturbed. `prompt_sha256` is of
    the prompt as the model reads it: in the chat template, or in the user's.
    """

    id: str
    prompt_sha256: str
    text: str
    tokens: int
    prompt_tokens: int
    finish_reason: str
    start_ns: int
    token_ns: list[int]
    end_ns: int
    session: int
    foreign_cores: float | None = None
    attempts: int = 1
    paused: bool = False


_FIELDS = frozenset(field.name for field in fields(Record))


def read(path: Path) -> list[Record]:
    """The records of a requests.jsonl. Raises UserError naming a line that is none."""
    return [
        Record(**{key: value for key, value in line.items() if key != checksums.KEY})
        for line in read_lines(path)
    ]


class Journal:
    """The records of a measurement under way: appended, flushed to the disk, read again later.

    Every process that works on it is a session, whose facts (hardware, versions) are kept too. Each
    line has a checksum, which holds in this measurement only. A process that is killed leaves at
    most one line cut off. The next one leaves that out, and whatever else is not as it was written:
    those requests are asked again.

    Counters (frontier/contention.py) are read when a session begins to time, in `begun` by its
    number, and after each request, in `ended` by its id.
    """

    def __init__(self, path: Path, facts: dict[str, Any], identity: str = "") -> None:
        """Open `path` for a session, reading what earlier ones of the same `identity` left."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.identity = path, identity
        self.records: list[Record] = []
        self.begun: dict[int, dict[str, Any]] = {}
        self.ended: dict[str, dict[str, Any]] = {}
        self._facts: dict[int, dict[str, Any]] = {}
        if path.exists():
            self._read(path.read_bytes())
        self._file = path.open("ab")
        self.session = max(self._facts, default=-1) + 1
        self._facts[self.session] = facts

    @property
    def sessions(self) -> list[dict[str, Any]]:
        """The facts of each session with its number, in order."""
        return [{"session": number, **self._facts[number]} for number in sorted(self._facts)]

    def _read(self, content: bytes) -> None:
        """Take in the lines that are as they were written; leave all others out of the file."""
        *lines, cut = content.split(b"\n")
        whole = [line for line in lines if self._take(checksums.read(line, self.identity))]
        if lost := len(lines) - len(whole):
            words = "is not as it was written" if lost == 1 else "are not as they were written"
            print(
                f"{self.path}: {lost} line(s) {words}; what cannot be read again is asked again",
                file=sys.stderr,
                flush=True,
            )
        if lost or cut:
            write_bytes(self.path, b"".join(line + b"\n" for line in whole))

    def _take(self, value: dict[str, Any] | None) -> bool:
        """Take in a line; False for one that is not of this measurement, or there already."""
        if value is None:
            return False
        session, reading = value.get("session", -1), value.pop("reading", None)
        if value.keys() == _OPENING:
            self._facts[session] = value["facts"]
            self.begun[session] = reading
            return True
        if value.keys() != _FIELDS or session not in self._facts or value["id"] in self.ended:
            return False
        self.records.append(Record(**value))
        self.ended[value["id"]] = reading
        return True

    def _write(self, value: dict[str, Any]) -> None:
        """Add a line; when this returns, it outlives the process and the machine."""
        check_interrupted()
        self._file.write(checksums.line(value, self.identity))
        self._file.flush()
        os.fsync(self._file.fileno())

    def begin(self, reading: dict[str, Any]) -> None:
        """Begin to time requests, with the counters as they are now."""
        self._write(opening(self.session, self._facts[self.session], reading))
        self.begun[self.session] = reading

    def append(self, record: Record, reading: dict[str, Any]) -> None:
        """Keep a record and the counters behind it."""
        self._write({**asdict(record), "reading": reading})
        self.records.append(record)
        self.ended[record.id] = reading

    def finish(self, path: Path, records: Iterable[Record], order: list[str]) -> None:
        """Write the records, as they are at last, as `path`, in the order of the sample's ids."""
        by_id = {record.id: asdict(record) for record in records}
        kept = (checksums.line(by_id[name], self.identity) for name in order if name in by_id)
        write_bytes(path, b"".join(kept))
        self._file.close()


def opening(session: int, facts: dict[str, Any], reading: dict[str, Any]) -> dict[str, Any]:
    """The line with which a session begins."""
    return {"session": session, "facts": facts, "reading": reading}


_OPENING = opening(0, {}, {}).keys() - {"reading"}


def restore(requests: Path, measurement: dict[str, Any], identity: str) -> None:
    """Write a journal of those lines of an altered requests.jsonl that are as they were written.

    `measurement`: the measurement.json beside it, of that `identity`. The next process that
    measures asks only the requests that are not in the journal.
    """
    lines = requests.read_bytes().split(b"\n")
    found = [value for one in lines if (value := checksums.read(one, identity))]
    # The load during each of these is in it; who else was on the GPUs is not.
    reading = {"gpu_processes": (measurement.get("contention") or {}).get("foreign_gpu_processes")}
    values = [
        *(opening(number, facts, reading) for number, facts in _numbered(measurement["sessions"])),
        *({**value, "reading": {}} for value in found),
    ]
    content = b"".join(checksums.line(value, identity) for value in values)
    write_bytes(requests.with_name("journal.jsonl"), content)


def _numbered(sessions: list[dict[str, Any]]) -> Iterator[tuple[int, dict[str, Any]]]:
    for facts in sessions:
        yield facts["session"], {key: one for key, one in facts.items() if key != "session"}
