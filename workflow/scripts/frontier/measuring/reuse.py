"""Reuse of requests that measurements of the same cell on another sample have already timed.

A request's answer and time depend on its prompt, and on the values of `request` in a
measurement's identity, but not on the other requests of its sample. For a larger or smaller sample,
or another seed, requests asked before are copied with their sessions.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from frontier import gates
from frontier.host.files import write_bytes
from frontier.measuring import contention, turns
from frontier.prompts import Question
from frontier.results import checksums, layout, measurement
from frontier.results.recorded import Recorded, finished
from frontier.results.records import Record, input_sha256
from frontier.results.session import Contention
from frontier.results.session import Session as SessionFacts
from frontier.specs.measure import MeasureSpec


@dataclass(eq=False)
class Session:
    """A process that timed requests of the same cell, and its records by start time."""

    facts: SessionFacts
    gpu_processes: int | None
    records: dict[int, Record] = field(default_factory=dict)

    def add(self, facts: SessionFacts, recorded: Recorded, number: int) -> None:
        """Adds one measurement's records of it."""
        if facts.loaded.memory:  # known at its end
            self.facts = facts
        seen = contention.strangers(recorded, number)
        if seen is not None:
            self.gpu_processes = max(seen, self.gpu_processes or 0)
        for record in recorded.records:
            if record.session == number and record.input_sha256 and record.sound:
                self.records.setdefault(record.start_ns, record)

    def prompts(self) -> set[str]:
        """The digests of its answered prompts."""
        return {record.input_sha256 for record in self.records.values()}

    def sound(self, spec: MeasureSpec) -> bool:
        """True if its times pass the gates; otherwise nothing of it is reused.

        Scoring applies the gates to the whole measurement again.
        """
        records = [replace(one, session=0) for one in self.records.values()]
        session = self.facts.model_copy(update={"session": 0})
        load = Contention(
            foreign_cores=contention.mean_load(records), foreign_gpu_processes=self.gpu_processes
        )
        timing = gates.Timing(
            records, [session], load, spec.max_background_cores, max_slowed=spec.max_slowed
        )
        return gates.first_reason(timing, one_session=True) is None


def take_over(
    journal: Path, spec: MeasureSpec, questions: Mapping[str, Question], here: SessionFacts
) -> None:
    """Starts a measurement's journal with requests answered by others next to its folder, if any.

    Reuses records that this machine (`here`) measured with the same packages in a session with
    valid times. Each record counts once, however many requests share its prompt. A later turn of a
    conversation is reused behind the same answers only.
    """
    if not spec.request:
        return
    sessions = _sessions(journal.parent, spec.request)
    alike = [one for one in sessions if _alike(one.facts, here)]
    sound = [one for one in alike if one.sound(spec)]
    taken = _conversations(sound, questions)
    if taken:
        write_bytes(journal, _journal(taken).lines(spec.digest))
    counts = [
        sum(map(len, _conversations(of, questions).values())) for of in (sound, alike, sessions)
    ]
    remarks = (
        ("for another sample", counts[0]),
        (
            "under disturbance or before latency had settled, and are asked again",
            counts[1] - counts[0],
        ),
        (
            "on another machine, with other packages or weights, and are asked again",
            counts[2] - counts[1],
        ),
    )
    for words, count in remarks:
        if count:
            line = f"{count} of {len(questions)} requests were asked before {words}"
            print(f"{journal.parent}: {line}", file=sys.stderr, flush=True)


def _journal(taken: Mapping[Session, list[Record]]) -> Recorded:
    """The content of a journal that starts with these records."""
    begun = Recorded()
    for number, session in enumerate(sorted(taken, key=lambda one: one.facts.started)):
        facts = session.facts.model_copy(update={"session": number})
        begun.open(facts, {"gpu_processes": session.gpu_processes})
        for record in taken[session]:
            begun.add(replace(record, session=number), {})
    return begun


def _sessions(folder: Path, request: str) -> list[Session]:
    """The sessions of all measurements next to `folder` with the same requests' identity."""
    found: dict[str, Session] = {}
    for sibling in sorted(folder.parent.iterdir()):
        if sibling == folder or not (recorded := _recorded(sibling, request)):
            continue
        for number, facts in recorded.facts.items():
            if facts.request == request and facts.loaded.warmup:
                # A session that others have already taken over is still the same session.
                session = found.setdefault(facts.started, Session(facts, None))
                session.add(facts, recorded, number)
    return list(found.values())


def _recorded(folder: Path, request: str) -> Recorded | None:
    """The content of a measurement's folder, finished or in progress; None if there is none.

    Only reads: another process may be measuring there.
    """
    identity = folder.name
    try:
        found = measurement.unaltered((folder / layout.MEASUREMENT).read_bytes())
        if found and found.identity and found.identity.digest == identity:
            if found.identity.request != request:
                return None
            return _as_adopted(finished(folder / layout.REQUESTS, found, identity), request)
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
    """The same, with this identity of requests for the sessions of earlier code adopted there."""
    for number, facts in recorded.facts.items():
        if facts.adopted:
            recorded.facts[number] = facts.model_copy(update={"request": request})
    return recorded


def _alike(session: SessionFacts, here: SessionFacts) -> bool:
    """True if a session ran on this machine and, unless adopted, with the same software."""
    software = session.packages == here.packages and session.weights_sha256 == here.weights_sha256
    return session.hardware == here.hardware and (bool(session.adopted) or software)


def _conversations(
    sessions: Sequence[Session], questions: Mapping[str, Question]
) -> dict[Session, list[Record]]:
    """The records for the questions, by session: turn by turn, behind the same answers only."""
    taken: dict[Session, list[Record]] = {}
    for turn in range(1 + max((len(one.follows) for one in questions.values()), default=0)):
        known = {record.id: record for records in taken.values() for record in records}
        now = {
            name: turns.behind(one, known)
            for name, one in questions.items()
            if len(one.follows) == turn
        }
        wanted = {name: input_sha256(one.input) for name, one in now.items() if one is not None}
        for session, records in _assign(sessions, wanted).items():
            taken.setdefault(session, []).extend(records)
    for records in taken.values():
        records.sort(key=lambda record: record.start_ns)
    return taken


def _assign(sessions: Iterable[Session], wanted: Mapping[str, str]) -> dict[Session, list[Record]]:
    """The records for the `wanted` requests, by session.

    Prefers few sessions, so first those with the most records. A request is matched by id and
    prompt, then by prompt.
    """
    prompts = set(wanted.values())
    ordered = sorted(
        sessions,
        key=lambda one: (len(prompts & one.prompts()), one.facts.started),
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
    return taken
