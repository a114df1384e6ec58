"""Requests asked again whose times failed a gate, a bounded number of times.

Gates decide here which requests are asked again, and no figure: scoring evaluates them on the whole
measurement, with the limits of that day.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable
from dataclasses import asdict, replace
from datetime import UTC, datetime

from frontier import gates, scenarios
from frontier.errors import Reason
from frontier.machine.limits import OutOfTimeError
from frontier.measuring import contention
from frontier.results.journal import Journal
from frontier.results.records import Record
from frontier.results.session import Again, Run, Served
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


def until_sound(spec: MeasureSpec, scenario: Scenario, bench: Bench) -> None:
    """Asks requests again until all gates pass, or the device's `attempts` are over.

    Each time is a session of its own, after a warm-up. An answer is replaced only by another one.
    Nothing is asked again that costs money, or in scenarios whose requests depend on each other. If
    the job's time ends meanwhile, what was measured before it counts.
    """
    if bench.paid or not scenario.INDEPENDENT:
        return
    try:
        while _attempts(bench.journal) < spec.attempts and (found := _disturbed(spec, bench)):
            _ask(spec, scenario, bench, *found)
    except OutOfTimeError:
        bench.journal.loaded(Run(load_average=bench.watch.load_average()))
        print(f"{bench.label}: no time is left to ask again", file=sys.stderr, flush=True)


def _attempts(journal: Journal) -> int:
    """The sessions that asked everything, as one, and those that asked again."""
    return 1 + sum(one.loaded.again is not None for one in journal.facts.values())


def _disturbed(spec: MeasureSpec, bench: Bench) -> tuple[Reason, list[str]] | None:
    """The reason of the first gate that fails, and the requests by which it may pass."""
    journal = bench.journal
    records = contention.with_loads(journal)
    timing = gates.Timing(
        records,
        journal.sessions,
        contention.summary(journal, records),
        spec.max_background_cores,
        float(spec.engine.slice("score").get("max_failed") or 0.0),  # type: ignore[arg-type]
        max_drift=spec.max_drift,
        max_slowed=spec.max_slowed,
    )
    failed = gates.first_failure(timing)
    wanted = _with_later(bench, failed[0].again(timing)) if failed else []
    if not failed or not wanted:
        return None
    journal.settle(records)
    return failed[1], wanted


def _with_later(bench: Bench, records: Iterable[Record]) -> list[str]:
    """The requests of these records, and those that follow their answers, in order."""
    wanted = {record.id for record in records}
    for name, question in bench.questions.items():
        if wanted.intersection(question.follows):
            wanted.add(name)
    return [name for name in bench.requests if name in wanted]


def _ask(
    spec: MeasureSpec, scenario: Scenario, bench: Bench, reason: Reason, names: Collection[str]
) -> None:
    """Asks these requests again in another session; counts the answers that differ."""
    journal = bench.journal
    print(f"{bench.label}: {reason}; {len(names)} requests are asked again", file=sys.stderr)
    before = {one.id: one.text for one in journal.records if one.id in names and not one.failure}
    own = journal.facts[journal.session]
    given = {name: one for name, one in own.loaded.given().items() if name not in OF_ASKING}
    again = Again(reason=reason, requests=len(names))
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    loaded = Run(**given, again=again)
    journal.another(own.model_copy(update={"started": now, "loaded": loaded}))
    watch = contention.Watch(spec.device.accelerator, bench.model.processes(), bench.watch.energy)
    bench = replace(bench, watch=watch, again=frozenset(names))
    journal.loaded(scenarios.warmed(scenario, bench, spec.device.warmup))
    timed(scenario, bench)
    after = {one.id: one.text for one in journal.records}
    changed = sum(after[name] != text for name, text in before.items())
    journal.loaded(Run(again=again.model_copy(update={"changed": changed})))
