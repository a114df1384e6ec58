"""What is kept of a measurement: one line a request, appended as they come."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from frontier.files import write_text


@dataclass(frozen=True)
class Record:
    """One timed request. All times but `start_ns` are nanoseconds since the request's start.

    `start_ns` is on the monotonic clock of the process numbered `session`; a measurement that was
    interrupted has several. `token_ns` has one time a generated token, `end_ns` is the end-to-end
    latency, tokenization and detokenization included.
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


class Journal:
    """The records of a measurement under way: appended, flushed to the disk, read again later.

    Every process that works on it opens a session, whose facts (hardware, load) are kept too. A
    process that is killed leaves at most one line cut off; the next one drops that line and goes
    on behind the last whole one.
    """

    def __init__(self, path: Path, facts: dict[str, Any]) -> None:
        """Open `path`, reading what earlier processes left there, and begin a session."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.records: list[Record] = []
        self.sessions: list[dict[str, Any]] = []
        whole = 0
        content = path.read_bytes() if path.exists() else b""
        for line in content.splitlines(keepends=True):
            if not line.endswith(b"\n"):
                break
            value = json.loads(line)
            if "session_facts" in value:
                self.sessions.append(value["session_facts"])
            else:
                self.records.append(Record(**value))
            whole += len(line)
        self._file = path.open("ab")
        self._file.truncate(whole)
        self.session = len(self.sessions)
        self.sessions.append(facts)
        self._write({"session_facts": facts})

    def _write(self, value: dict[str, Any]) -> None:
        """Add a line; when this returns, it outlives the process and the machine."""
        self._file.write(json.dumps(value, ensure_ascii=False).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def append(self, record: Record) -> None:
        """Keep a record."""
        self._write(asdict(record))
        self.records.append(record)

    def finish(self, path: Path, order: list[str]) -> None:
        """Write the records as `path`, in the order of the sample's ids."""
        by_id = {record.id: asdict(record) for record in self.records}
        kept = [by_id[identifier] for identifier in order if identifier in by_id]
        write_text(path, "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in kept))
        self._file.close()
