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

from frontier import gates
from frontier.host.files import write_bytes
from frontier.measuring import contention
from frontier.results import checksums, layout
from frontier.results.records import Record, Recorded, finished, input_sha256
from frontier.specs.measure import MeasureSpec


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
            if record.session == number and record.input_sha256 and not record.paused:
                self.records.setdefault(record.start_ns, record)

    def prompts(self) -> set[str]:
        """The digests of the prompts that it has answered."""
        return {record.input_sha256 for record in self.records.values()}

    def sound(self, max_background_cores: float) -> bool:
        """Whether its times could be published, by the gates: else nothing of it is taken.

        Scoring asks the gates of the whole once more.
        """
        records = [replace(one, session=0) for one in self.records.values()]
        session = gates.Session.model_validate({**self.facts, "session": 0})
        load = gates.Load(
            foreign_cores=contention.mean_load(records), foreign_gpu_processes=self.gpu_processes
        )
        timing = gates.Timing(records, [session], load, max_background_cores)
        return gates.first_reason(timing, one_session=True) is None


def take_over(
    journal: Path, spec: MeasureSpec, prompts: Mapping[str, str], here: Mapping[str, Any]
) -> None:
    """Begin a measurement's journal with what others beside its folder have answered, if any.

    Taken is what this machine, as `here` describes it, measured with the same packages, in a
    session whose times are sound. Each record counts once, however many requests have its prompt.
    """
    if not spec.request:
        return
    wanted = {name: input_sha256(prompt) for name, prompt in prompts.items()}
    sessions = _sessions(journal.parent, spec.request)
    alike = [one for one in sessions if _alike(one.facts, here)]
    sound = [one for one in alike if one.sound(spec.max_background_cores)]
    taken = _assign(sound, wanted)
    if taken:
        write_bytes(journal, _journal(taken).lines(spec.digest))
    counts = [sum(map(len, _assign(of, wanted).values())) for of in (sound, alike, sessions)]
    said = (
        ("for another sample", counts[0]),
        ("while others disturbed or nothing had settled, and are again", counts[1] - counts[0]),
        (
            "on another machine, with other packages or weights, and are again",
            counts[2] - counts[1],
        ),
    )
    for words, count in said:
        if count:
            line = f"{count} of {len(prompts)} requests were asked before {words}"
            print(f"{journal.parent}: {line}", file=sys.stderr, flush=True)


def _journal(taken: Mapping[Session, list[Record]]) -> Recorded:
    """What a journal says that begins with these."""
    begun = Recorded()
    for number, session in enumerate(sorted(taken, key=lambda one: one.facts["started"])):
        begun.open(number, session.facts, {"gpu_processes": session.gpu_processes})
        for record in taken[session]:
            begun.add(replace(record, session=number), {})
    return begun


def _sessions(folder: Path, request: str) -> list[Session]:
    """The sessions of all measurements beside `folder` whose requests are the same as here."""
    found: dict[str, Session] = {}
    for sibling in sorted(folder.parent.iterdir()):
        if sibling == folder or not (recorded := _recorded(sibling, request)):
            continue
        for number, facts in recorded.facts.items():
            if facts.get("request") == request and "warmup" in facts.get("loaded", {}):
                # One that others have taken over already is still the same session.
                session = found.setdefault(facts["started"], Session(facts, None))
                session.add(facts, recorded, number)
    return list(found.values())


def _recorded(folder: Path, request: str) -> Recorded | None:
    """What a measurement's folder holds, finished or under way; None where that is nothing.

    Nothing is written there: another process may be measuring.
    """
    identity = folder.name
    try:
        measurement = checksums.read((folder / layout.MEASUREMENT).read_bytes())
        depends_on = measurement["spec"].get("identity", {}) if measurement else {}
        if measurement and depends_on.get("digest") == identity:
            if depends_on.get("request") != request:
                return None
            return _as_adopted(finished(folder / layout.REQUESTS, measurement, identity), request)
    except OSError:
        pass
    try:
        lines = (folder / layout.JOURNAL).read_bytes().split(b"\n")
    except OSError:
        return None
    recorded = Recorded()
    for line in lines:
        recorded.take(checksums.read(line, identity))
    recorded.records = contention.with_loads(recorded)
    return recorded


def _as_adopted(recorded: Recorded, request: str) -> Recorded:
    """The same, where sessions of earlier code count as current if they were adopted there."""
    for facts in recorded.facts.values():
        if facts.get("adopted"):
            facts["request"] = request
    return recorded


def _alike(session: Mapping[str, Any], here: Mapping[str, Any]) -> bool:
    """Whether a session is of this machine and, unless it was adopted, of all else that is here."""
    same = ("hardware",) if session.get("adopted") else ("hardware", "packages", "weights_sha256")
    return all(session.get(key) == here[key] for key in same)


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

    left: list[tuple[Session, Record]] = []

    def take(session: Session, record: Record, name: str) -> None:
        taken.setdefault(session, []).append(replace(record, id=name))
        del open_ids[name]

    for session in ordered:
        for _, record in sorted(session.records.items()):
            if open_ids.get(record.id) == record.input_sha256:
                take(session, record, record.id)
            else:
                left.append((session, record))
    by_prompt: dict[str, list[str]] = {}
    for name, prompt in reversed(open_ids.items()):
        by_prompt.setdefault(prompt, []).append(name)
    for session, record in left:
        if names := by_prompt.get(record.input_sha256):
            take(session, record, names.pop())
    for records in taken.values():
        records.sort(key=lambda record: record.start_ns)
    return taken
