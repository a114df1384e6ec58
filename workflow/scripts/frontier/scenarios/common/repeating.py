"""Requests asked again whose times failed a gate, a bounded number of times.

Gates decide here which requests are asked again, and no figure: scoring evaluates them on the whole
measurement, with the limits of that day.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

from frontier import gates, scenarios
from frontier.errors import Reason
from frontier.machine.limits import OutOfTimeError
from frontier.measuring import contention
from frontier.results.journal import Journal
from frontier.results.records import Record
from frontier.results.session import Again, Pass, Run, Served
from frontier.scenarios import Bench, Scenario
from frontier.specs.measure import MeasureSpec

OF_ASKING = ("load_average", "conditions", "again", "memory", "passes", "warmup")
"""The facts of a session that are known only once it asks."""


def timed(scenario: Scenario, bench: Bench) -> None:
    """Times the requests of a session, and adds what is known at its end."""
    scenario.measure(bench)
    watch = bench.watch
    bench.journal.loaded(Run(load_average=watch.load_average(), conditions=watch.conditions()))
    if server := bench.model.loaded.server:  # its answers have named more of them
        bench.journal.loaded(Run(server=Served.of(asdict(server))))


@dataclass(frozen=True)
class Disturbed:
    """A failure of a gate that another measurement may avoid."""

    reason: Reason
    records: Sequence[Record]
    passes: Sequence[Pass]


def until_sound(spec: MeasureSpec, scenario: Scenario, bench: Bench) -> None:
    """Asks again what failed a gate until all pass, or the device's `attempts` are over.

    Each time is a session of its own, after a warm-up: single requests, whole passes, whole rates.
    An answer is replaced only by another one. If the job's time ends meanwhile, what was measured
    before it counts.
    """
    if not _repeatable(bench):
        return
    journal = bench.journal
    while _attempts(journal) < spec.attempts and (found := _disturbed(spec, scenario, bench)):
        earlier = journal.state()
        try:
            _ask(spec, scenario, bench, found)
        except OutOfTimeError:
            if not scenario.INDEPENDENT:
                journal.restore(earlier)
            if journal.session in journal.begun:
                journal.loaded(Run(load_average=bench.watch.load_average()))
            print(f"{bench.label}: no time is left to ask again", file=sys.stderr, flush=True)
            return


def _repeatable(bench: Bench) -> bool:
    """Whether requests may be asked again: not where that may cost money, nor where a server may
    have their prompts in its cache by now."""
    server = bench.model.loaded.server
    ours = server is None or (server.base_url is None and server.prefix_cache is False)
    return ours and not bench.paid


def _attempts(journal: Journal) -> int:
    """The sessions that asked everything, as one, and those that asked again."""
    return 1 + sum(one.loaded.again is not None for one in journal.facts.values())


def _disturbed(spec: MeasureSpec, scenario: Scenario, bench: Bench) -> Disturbed | None:
    """The failures of gates that another measurement may avoid, as one; None if there is none."""
    journal = bench.journal
    records = contention.with_loads(journal)
    whole = gates.Timing(
        records,
        journal.sessions,
        contention.summary(journal, records),
        spec.max_background_cores,
        float(spec.engine.slice("score").get("max_failed") or 0.0),  # type: ignore[arg-type]
        max_drift=spec.max_drift,
        max_slowed=spec.max_slowed,
    )
    found = [
        Disturbed(reason, gate.again(timing), gate.passes(timing))
        for timing in scenario.judged(whole)
        if (failure := gates.first_failure(timing))
        for gate, reason in [failure]
    ]
    wanted = [record for one in found for record in one.records]
    if not wanted:
        return None
    journal.settle(records)
    return Disturbed(found[0].reason, wanted, [one for each in found for one in each.passes])


def _with_later(bench: Bench, records: Iterable[Record]) -> list[str]:
    """The requests of these records, and those that follow their answers, in order."""
    wanted = {record.id for record in records}
    for name, question in bench.questions.items():
        if wanted.intersection(question.follows):
            wanted.add(name)
    return [name for name in bench.requests if name in wanted]


def _ask(spec: MeasureSpec, scenario: Scenario, bench: Bench, found: Disturbed) -> None:
    """Asks this again in another session; counts the answers that differ."""
    journal = bench.journal
    names = _with_later(bench, found.records)
    before = {one.key: one.text for one in journal.records if not one.failure}
    withdrawn = scenario.withdraw(journal, found.records, found.passes)
    requests = len(names) if withdrawn is None else withdrawn
    print(f"{bench.label}: {found.reason}; {requests} requests are asked again", file=sys.stderr)
    own = journal.facts[journal.session]
    given = {name: one for name, one in own.loaded.given().items() if name not in OF_ASKING}
    again = Again(reason=found.reason, requests=requests)
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    loaded = Run(**given, again=again)
    journal.another(own.model_copy(update={"started": now, "loaded": loaded}))
    watch = contention.Watch(spec.device.accelerator, bench.model.processes(), bench.watch.energy)
    bench = replace(bench, watch=watch, again=frozenset(names))
    journal.loaded(scenarios.warmed(scenario, bench, spec.device.warmup))
    timed(scenario, bench)
    after = {one.key: one.text for one in journal.records}
    changed = sum(after.get(key, text) != text for key, text in before.items())
    journal.loaded(Run(again=again.model_copy(update={"changed": changed})))
