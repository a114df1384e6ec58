"""The journal of a measurement in progress, which survives the process that writes it."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from frontier.errors import check_interrupted
from frontier.host.files import write_bytes
from frontier.results import checksums, layout
from frontier.results.measurement import Measurement
from frontier.results.recorded import Recorded, closing, finished, opening
from frontier.results.records import Record
from frontier.results.session import Pass, Peaks, Run, Session


class Journal(Recorded):
    """The records of a measurement in progress: appended, flushed to disk, and read again later.

    Each line has a checksum that is valid only in this measurement. A killed process leaves at most
    one truncated line. The next one drops it and any altered lines, and repeats those requests.
    """

    def __init__(self, path: Path, facts: Session, identity: str = "") -> None:
        """Opens `path` for a session, reading the records of earlier ones with this `identity`.

        The session gets the next free number.
        """
        super().__init__()
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.identity = path, identity
        if path.exists():
            self._read(path.read_bytes())
        self._file = path.open("ab")
        self.session = max(self.facts, default=-1) + 1
        self.facts[self.session] = facts.model_copy(update={"session": self.session})

    def _read(self, content: bytes) -> None:
        """Reads the unaltered lines, and removes all others from the file."""
        *lines, cut = content.split(b"\n")
        whole = [line for line in lines if self.take(checksums.read(line, self.identity))]
        if lost := len(lines) - len(whole):
            words = "was altered" if lost == 1 else "were altered"
            print(
                f"{self.path}: {lost} line(s) {words}; their requests are asked again",
                file=sys.stderr,
                flush=True,
            )
        if lost or cut:
            write_bytes(self.path, b"".join(line + b"\n" for line in whole))

    def _write(self, *values: dict[str, Any]) -> None:
        """Appends lines and syncs them, so that they survive a crash of the process or machine."""
        check_interrupted()
        self._file.write(b"".join(checksums.line(value, self.identity) for value in values))
        self._file.flush()
        os.fsync(self._file.fileno())

    def begin(self, reading: dict[str, Any]) -> None:
        """Records the start of timing, with the current counters."""
        self._write(opening(self.facts[self.session], reading))
        self.begun[self.session] = reading

    def append(self, record: Record, reading: dict[str, Any]) -> None:
        """Appends a record and the counters after it."""
        self.extend([record], reading)

    def extend(self, records: Sequence[Record], reading: dict[str, Any]) -> None:
        """Appends the records of requests that were under way together, and the counters after."""
        self._write(*({**record.line(), "reading": reading} for record in records))
        for record in records:
            self.add(record, reading)

    def discard(self, records: Iterable[Record]) -> None:
        """Removes records, to be repeated; not the sessions that asked them."""
        keys = {record.key for record in records}
        if keys:
            self._forget(keys)
            self._rewrite()

    def _forget(self, keys: set[str]) -> None:
        self.records = [record for record in self.records if record.key not in keys]
        self.failed -= keys
        for key in keys:
            del self.ended[key]

    def _rewrite(self) -> None:
        """Writes the file again, with what is known here."""
        self._file.close()
        write_bytes(self.path, self.lines(self.identity))
        self._file = self.path.open("ab")

    def settle(self, records: Sequence[Record]) -> None:
        """Replaces the records by the same with more facts, on disk too."""
        self.records = list(records)
        self._rewrite()

    def another(self, facts: Session) -> None:
        """Starts another session in the same process."""
        self.session = max(self.facts) + 1
        self.facts[self.session] = facts.model_copy(update={"session": self.session})

    def loaded(self, facts: Run) -> None:
        """Adds to the facts that loading gave; on disk at once if this session times requests."""
        own = self.facts[self.session]
        known = own.loaded.model_copy(update=facts.given())
        self.facts[self.session] = own.model_copy(update={"loaded": known})
        if self.session in self.begun:
            self._write(closing(self.facts[self.session]))

    def withdraw(self) -> None:
        """Removes this session, since the process asks nothing."""
        del self.facts[self.session]

    def make_room(self, room: int | None) -> None:
        """Drops requests asked with room for another number of tokens, to be repeated."""
        earlier = {number: facts.loaded.given() for number, facts in self.facts.items()}
        others = {number for number, one in earlier.items() if one.get("room", room) != room}
        self.loaded(Run(room=room))
        self.drop(others)

    def drop(self, sessions: Collection[int]) -> None:
        """Drops earlier sessions with their requests, to be repeated."""
        if not sessions:
            return
        for number in sessions:
            del self.facts[number], self.begun[number]
        self._forget({record.key for record in self.records if record.session in sessions})
        self._rewrite()

    def start_over(self) -> None:
        """Removes all requests and passes; of earlier sessions, only those that asked again stay.

        Their facts say how often it was measured, and why.
        """
        self._forget({*self.ended})
        for number in {*self.facts} - {self.session}:
            if self.facts[number].loaded.again is None:
                del self.facts[number]
                self.begun.pop(number, None)
        self.without([one for facts in self.facts.values() for one in facts.loaded.passes])

    def without(self, passes: Sequence[Pass]) -> None:
        """Removes passes, to be repeated."""
        for number, facts in self.facts.items():
            left = tuple(one for one in facts.loaded.passes if one not in passes)
            loaded = facts.loaded.model_copy(update={"passes": left})
            self.facts[number] = facts.model_copy(update={"loaded": loaded})
        self._rewrite()

    def state(self) -> Recorded:
        """A copy of what is known, for `restore`."""
        found = Recorded()
        found.records, found.facts = [*self.records], {**self.facts}
        found.begun, found.ended, found.failed = {**self.begun}, {**self.ended}, {*self.failed}
        return found

    def restore(self, earlier: Recorded) -> None:
        """Puts back what was known earlier; of later sessions only the other facts stay."""
        later = {
            number: facts.model_copy(
                update={"loaded": facts.loaded.model_copy(update={"passes": ()})}
            )
            for number, facts in self.facts.items()
            if number not in earlier.facts
        }
        self.records, self.ended, self.failed = earlier.records, earlier.ended, earlier.failed
        self.facts = {**earlier.facts, **later}
        self.begun = {**self.begun, **earlier.begun}
        self._rewrite()

    def peaks(self) -> Peaks:
        """The peak memory of all sessions, as far as known."""
        known = [one.loaded.memory for one in self.facts.values() if one.loaded.memory]
        return Peaks(
            device_peak_bytes=_largest(one.device_peak_bytes for one in known),
            host_peak_bytes=_largest(one.host_peak_bytes for one in known),
        )

    def complete(self) -> int | None:
        """The last session with complete facts from loading."""
        known = {number: facts.loaded for number, facts in self.facts.items()}
        return _largest(n for n, one in known.items() if one.warmup and one.memory)

    def finish(self, path: Path, records: Iterable[Record], order: list[str]) -> None:
        """Writes the final records to `path`: in the order of the sample's ids, then by rate."""
        by_key = {record.key: record.line() for record in records}
        ordered = dict.fromkeys((*(key for key in order if key in by_key), *by_key))
        written = (checksums.line(by_key[key], self.identity) for key in ordered)
        write_bytes(path, b"".join(written))
        self._file.close()


def _largest(values: Iterable[int | None]) -> int | None:
    return max((one for one in values if one is not None), default=None)


def restore(requests: Path, measurement: Measurement, identity: str) -> None:
    """Writes a journal of the unaltered lines of an altered requests.jsonl.

    `measurement`: that of the file next to it, of that `identity`. The next process that
    measures asks only the requests missing in the journal.
    """
    found = finished(requests, measurement, identity)
    write_bytes(requests.with_name(layout.JOURNAL), found.lines(identity))
