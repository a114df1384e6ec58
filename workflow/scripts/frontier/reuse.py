"""What measurements of the same cell on another sample have answered already, to ask only the rest.

A request's answer and time depend on its prompt, and on what `request` in a measurement's identity
is the digest of; not on the other requests of its sample. A larger sample, a smaller one, another
seed: what was asked before is copied, with the sessions in which it was.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from frontier import checksums, contention, gates
from frontier.host.files import write_bytes
from frontier.records import Record, Recorded, finished, input_sha256


@dataclass(eq=False)
class Session:
    """A process that timed requests of the same cell, and its records by when they began."""

    facts: dict[str, Any]
    gpu_processes: int | None
    records: dict[int, Record] = field(default_factory=dict)

    def add(self, facts: dict[str, Any], recorded: Recorded, number: int) -> None:
        """Add what one measurement has of it."""
        if "memory" in facts["loaded"]:  # which is known at its end
            self.facts = facts
        seen = contention.strangers(recorded, number)
        if seen is not None:
            self.gpu_processes = max(seen, self.gpu_processes or 0)
        for record in recorded.records:
            whole = record.input_sha256 and not record.paused and not gates.disorder(record)
            if record.session == number and whole:
                self.records.setdefault(record.start_ns, record)

    def prompts(self) -> set[str]:
        """The digests of the prompts that it has answered."""
        return {record.input_sha256 for record in self.records.values()}

    def fault(self, foreign_load: float) -> str | None:
        """The first gate that it does not pass: nothing is taken of it then."""
        records = list(self.records.values())
        return (
            gates.unsettled(self.facts["loaded"]["warmup"])
            or gates.contended(gates.mean_load(records), foreign_load)
            or gates.often_contended(records, foreign_load)
            or gates.shared_gpu(self.gpu_processes)
        )


def take_over(
    journal: Path, spec: Mapping[str, Any], prompts: Mapping[str, str], here: Mapping[str, Any]
) -> None:
    """Begin a measurement's journal with what others beside its folder have answered, if any.

    Taken is what this machine, as `here` describes it, measured with the same packages, in a
    session that passes every gate. Each record counts once, however many requests have its prompt.
    """
    made_of = spec.get("identity", {})
    if "request" not in made_of:
        return
    sessions = _sessions(journal.parent, made_of["request"], here)
    sound = [one for one in sessions if not one.fault(spec["foreign_load"])]
    taken = _assign(sound, {name: input_sha256(prompt) for name, prompt in prompts.items()})
    if not taken:
        return
    begun = Recorded()
    used = sorted(taken, key=lambda session: session.facts["started"])
    for number, session in enumerate(used):
        begun.open(number, session.facts, {"gpu_processes": session.gpu_processes})
        for record in taken[session]:
            begun.add(replace(record, session=number), {})
    write_bytes(journal, begun.lines(made_of["digest"]))
    words = f"{len(begun.records)} of {len(prompts)} requests were asked before, for another sample"
    print(f"{journal.parent}: {words}", file=sys.stderr, flush=True)


def _sessions(folder: Path, request: str, here: Mapping[str, Any]) -> list[Session]:
    """The sessions of all measurements beside `folder` whose requests are the same as here."""
    found: dict[str, Session] = {}
    for sibling in sorted(folder.parent.iterdir()):
        if sibling == folder or not (recorded := _recorded(sibling)):
            continue
        for number, facts in recorded.facts.items():
            asked_so = facts.get("request") == request and "loaded" in facts
            if asked_so and all(facts[key] == here[key] for key in gates.SAME):
                # One that others have taken over already is still the same session.
                session = found.setdefault(facts["started"], Session(facts, None))
                session.add(facts, recorded, number)
    return list(found.values())


def _recorded(folder: Path) -> Recorded | None:
    """What a measurement's folder holds, finished or under way; None where that is nothing.

    Nothing is written there: another process may be measuring.
    """
    identity = folder.name
    try:
        measurement = checksums.read((folder / "measurement.json").read_bytes())
        if measurement and measurement["spec"].get("identity", {}).get("digest") == identity:
            return finished(folder / "requests.jsonl", measurement, identity)
    except OSError:
        pass
    try:
        lines = (folder / "journal.jsonl").read_bytes().split(b"\n")
    except OSError:
        return None
    recorded = Recorded()
    for line in lines:
        recorded.take(checksums.read(line, identity))
    recorded.records = contention.with_loads(recorded)
    return recorded


def _assign(sessions: Iterable[Session], wanted: Mapping[str, str]) -> dict[Session, list[Record]]:
    """The records for the `wanted` requests, by the sessions in which they were asked.

    Of few sessions, so first of those that have most of them. A request is looked for by its id
    and prompt, then by its prompt.
    """
    prompts = set(wanted.values())
    ordered = sorted(
        sessions,
        key=lambda one: (len(prompts & one.prompts()), one.facts["started"]),
        reverse=True,
    )
    open_ids = dict(wanted)
    taken: dict[Session, list[Record]] = {}
    for same_id in (True, False):
        for session in ordered:
            for start, record in sorted(session.records.items()):
                name = _open_id(record, open_ids, same_id)
                if name is not None:
                    taken.setdefault(session, []).append(replace(record, id=name))
                    del open_ids[name], session.records[start]
    return {
        session: sorted(records, key=lambda record: record.start_ns)
        for session, records in taken.items()
    }


def _open_id(record: Record, open_ids: Mapping[str, str], same_id: bool) -> str | None:
    """The request that a record is the answer to, among those that have none yet."""
    if open_ids.get(record.id) == record.input_sha256:
        return record.id
    if same_id:
        return None
    return next((name for name, sha in open_ids.items() if sha == record.input_sha256), None)
