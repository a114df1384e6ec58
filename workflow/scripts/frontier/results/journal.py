"""The journal of a measurement under way, which outlives the process that writes it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from frontier.errors import check_interrupted
from frontier.host.files import write_bytes
from frontier.results import checksums, layout
from frontier.results.records import Record, Recorded, closing, finished, opening


class Journal(Recorded):
    """The records of a measurement under way: appended, flushed to the disk, read again later.

    Each line has a checksum, which holds in this measurement only. A process that is killed leaves
    at most one line cut off. The next one leaves that out, and whatever else is not as it was
    written: those requests are asked again.
    """

    def __init__(self, path: Path, facts: dict[str, Any], identity: str = "") -> None:
        """Open `path` for a session, reading what earlier ones of the same `identity` left."""
        super().__init__()
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.identity = path, identity
        if path.exists():
            self._read(path.read_bytes())
        self._file = path.open("ab")
        self.session = max(self.facts, default=-1) + 1
        self.facts[self.session] = facts

    def _read(self, content: bytes) -> None:
        """Take in the lines that are as they were written; leave all others out of the file."""
        *lines, cut = content.split(b"\n")
        whole = [line for line in lines if self.take(checksums.read(line, self.identity))]
        if lost := len(lines) - len(whole):
            words = "is not as it was written" if lost == 1 else "are not as they were written"
            print(
                f"{self.path}: {lost} line(s) {words}; what cannot be read again is asked again",
                file=sys.stderr,
                flush=True,
            )
        if lost or cut:
            write_bytes(self.path, b"".join(line + b"\n" for line in whole))

    def _write(self, value: dict[str, Any]) -> None:
        """Add a line; when this returns, it outlives the process and the machine."""
        check_interrupted()
        self._file.write(checksums.line(value, self.identity))
        self._file.flush()
        os.fsync(self._file.fileno())

    def begin(self, reading: dict[str, Any]) -> None:
        """Begin to time requests, with the counters as they are now."""
        self._write(opening(self.session, self.facts[self.session], reading))
        self.begun[self.session] = reading

    def append(self, record: Record, reading: dict[str, Any]) -> None:
        """Add a record and the counters behind it."""
        self._write({**record.line(), "reading": reading})
        self.add(record, reading)

    def loaded(self, **facts: Any) -> None:
        """Note what this session has found by loading; of one that times, at once on the disk."""
        own = self.facts[self.session]
        own["loaded"] = own.get("loaded", {}) | facts
        if self.session in self.begun:
            self._write(closing(self.session, own["loaded"]))

    def withdraw(self) -> None:
        """Be no session: this process asks nothing."""
        del self.facts[self.session]

    def make_room(self, room: int | None) -> None:
        """Leave out what was asked with room for another number of tokens: it is asked again."""
        earlier = {number: facts.get("loaded", {}) for number, facts in self.facts.items()}
        others = {number for number, one in earlier.items() if one.get("room", room) != room}
        self.loaded(room=room)
        if not others:
            return
        for number in others:
            del self.facts[number], self.begun[number]
        for one in [record for record in self.records if record.session in others]:
            self.records.remove(one)
            del self.ended[one.id]
        self._file.close()
        write_bytes(self.path, self.lines(self.identity))
        self._file = self.path.open("ab")

    def peaks(self) -> dict[str, int | None]:
        """The most memory that any of the sessions has held, as far as it is known."""
        known = [facts.get("loaded", {}).get("memory", {}) for facts in self.facts.values()]
        return {
            key: max((one[key] for one in known if one.get(key) is not None), default=None)
            for key in ("device_peak_bytes", "host_peak_bytes")
        }

    def answered(self, ids: Iterable[str]) -> int | None:
        """The last session that knows all that loading shows, where no request is left to ask."""
        if not self.ended.keys() >= set(ids):
            return None
        known = {number: facts.get("loaded", {}) for number, facts in self.facts.items()}
        whole = (n for n, one in known.items() if {"warmup", "memory"} <= one.keys())
        return max(whole, default=None)

    def finish(self, path: Path, records: Iterable[Record], order: list[str]) -> None:
        """Write the records, as they are at last, as `path`, in the order of the sample's ids."""
        by_id = {record.id: record.line() for record in records}
        kept = (checksums.line(by_id[name], self.identity) for name in order if name in by_id)
        write_bytes(path, b"".join(kept))
        self._file.close()


def restore(requests: Path, measurement: dict[str, Any], identity: str) -> None:
    """Write a journal of those lines of an altered requests.jsonl that are as they were written.

    `measurement`: the measurement.json beside it, of that `identity`. The next process that
    measures asks only the requests that are not in the journal.
    """
    found = finished(requests, measurement, identity)
    write_bytes(requests.with_name(layout.JOURNAL), found.lines(identity))
