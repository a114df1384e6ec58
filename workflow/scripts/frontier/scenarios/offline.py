"""MLPerf's Offline: all requests at once, for the throughput.

All requests of the sample are due at the same moment; a pass ends with the last answer. There are
several passes, whose spread gives the interval of the throughput. The records, and so the score,
are those of the first one; of the others the number of answers with another text is recorded.

A server that caches prompts' prefixes, or may do so, is asked once: it would answer the
next passes from that cache.

Only complete passes count: after an interruption within the first one all requests are asked again,
and after one within a later pass that one. Where requests cost money, none is asked twice: there is
one pass, its answers are saved as they come, and after an interruption only the others are asked.
Such a cell has a score, but no throughput (frontier/gates/passes.py).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from typing import ClassVar

import psutil

from frontier.catalogue.devices import Warmup
from frontier.engines import Due, LoadedModel
from frontier.errors import UserError
from frontier.host import presence
from frontier.host.progress import Progress
from frontier.measuring import contention
from frontier.measuring.contention import Reading
from frontier.requests import Request
from frontier.results.journal import Journal
from frontier.results.records import Record
from frontier.results.session import Pass, Run, WarmUp
from frontier.results.times import tpot_s, ttft_s
from frontier.scenarios import MOST_ATTEMPTS, Bench, Scenario, answers_of
from frontier.scenarios.common import warming
from frontier.scenarios.common.recording import recorded

PASSES = 3


@dataclass
class Asked:
    """The requests of a pass, with the counters before it and after each."""

    begun: Reading
    sent: bool = False
    """Whether requests are sent to a server, once they are written and connections are open."""
    records: list[Record] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)

    @property
    def start_ns(self) -> int:
        """The moment at which all requests were due, and could be sent."""
        if self.sent:
            return min(record.start_ns for record in self.records)
        return min(record.due_ns for record in self.records)

    @property
    def end_ns(self) -> int:
        """The moment at which the last answer was complete."""
        return max(record.start_ns + record.end_ns for record in self.records)

    def facts(self, first: Iterable[Record]) -> Pass:
        """The facts of the pass; `first` are the records of the first one."""
        texts = {record.id: record.text for record in first}
        answered = [record for record in self.records if record.failure is None]
        used = contention.joules(self.begun, self.readings[-1])
        seen = [one.gpu_processes for one in (self.begun, *self.readings)]
        return Pass(
            requests=len(answered),
            failed=len(self.records) - len(answered),
            retried=sum(record.retries > 0 for record in self.records),
            tokens=sum(record.tokens for record in answered),
            seconds=(self.end_ns - self.start_ns) / 1e9,
            changed=sum(record.text != texts.get(record.id, record.text) for record in answered),
            paused=any(record.paused for record in self.records),
            foreign_cores=round(
                contention.loads(self.begun, self.readings[-1:], psutil.cpu_count() or 1)[0], 3
            ),
            foreign_gpu_processes=max((one for one in seen if one is not None), default=None),
            cpu_joules=used["cpu_joules"],
            gpu_joules=used["gpu_joules"],
        )


class Offline(Scenario):
    """The throughput where no user waits."""

    INDEPENDENT: ClassVar[bool] = False
    LATENCIES: ClassVar[bool] = False

    def calls(self, requests: int, *, paid: bool) -> int:
        """All of them in each pass, of which there is one where they cost money."""
        return requests if paid else PASSES * requests

    def warm_up(self, model: LoadedModel, requests: Sequence[Request], limits: Warmup) -> WarmUp:
        """Runs rounds of several requests at once."""
        return warming.at_once(model, requests, limits)

    def measure(self, bench: Bench) -> None:
        """Asks all requests at once, several times."""
        journal = bench.journal
        known = {record.id for record in journal.records}
        done = sum(len(facts.loaded.passes) for facts in journal.facts.values())
        if bench.paid:
            self._rest(bench, {*bench.requests} - known)
            return
        if not done or not known >= bench.requests.keys():
            journal.start_over()
            done = 0
        journal.begin(asdict(bench.watch.read()))
        bench.pauses.beat()
        wanted = passes_of(bench.model)
        progress = Progress(bench.label, (wanted - done) * len(bench.requests), "requests")
        passes: list[Pass] = []
        while done + len(passes) < wanted:
            found = undisturbed(bench, progress)
            if not done + len(passes):
                for record, reading in zip(found.records, found.readings, strict=True):
                    journal.append(record, asdict(reading))
            passes.append(found.facts(journal.records))
            journal.loaded(Run(passes=tuple(passes)))

    def withdraw(self, journal: Journal, records: Sequence[Record], passes: Sequence[Pass]) -> int:
        """Removes the passes that failed, or all if the first did, whose answers are the cell's."""
        known = [one for facts in journal.facts.values() for one in facts.loaded.passes]
        first = next(iter(known), None)
        failed = passes if passes and first not in passes else known
        journal.without(failed)
        return len(failed) * len(records)

    def _rest(self, bench: Bench, missing: set[str]) -> None:
        """Asks the requests without an answer in one pass, each saved at once."""
        journal = bench.journal
        journal.begin(asdict(bench.watch.read()))
        bench.pauses.beat()
        found = asked(bench, missing, Progress(bench.label, len(missing), "requests"), save=True)
        if found.records:
            journal.loaded(Run(passes=(found.facts(found.records),)))


def passes_of(model: LoadedModel) -> int:
    """One where a server may have the prompts of a pass in its cache when the next one begins."""
    server = model.loaded.server
    return PASSES if server is None or server.prefix_cache is False else 1


def undisturbed(bench: Bench, progress: Progress) -> Asked:
    """A pass over all requests, repeated if this process was paused meanwhile."""
    attempts, paused = 0, True
    while paused and attempts < MOST_ATTEMPTS:
        found = asked(bench, bench.requests.keys(), progress)
        attempts += 1
        paused = bench.pauses.during(found.start_ns, found.end_ns)
    found.records = [replace(one, attempts=attempts, paused=paused) for one in found.records]
    return found


def asked(bench: Bench, names: Iterable[str], progress: Progress, *, save: bool = False) -> Asked:
    """Asks these requests at once. Raises UserError once Snakemake has ended.

    Writing to disk takes time, so records are saved (`save`) only where none may be lost.
    """
    wanted, runner = {*names}, presence.Runner()
    ordered = [name for name in bench.requests if name in wanted]
    found = Asked(bench.watch.read(), bench.model.loaded.server is not None)
    due = time.perf_counter_ns()
    requests = [Due(one, bench.generations[one], due) for one in ordered]
    with closing(answers_of(bench.model, requests)) as answers:
        for name, answer in answers:
            record, reading = recorded(bench, name, answer, due), bench.watch.read()
            if save:
                paused = bench.pauses.during(due, answer.start_ns + answer.end_ns)
                record = replace(record, paused=paused)
                bench.journal.append(record, asdict(reading))
            found.records.append(record)
            found.readings.append(reading)
            progress.step(ttft=ttft_s(record), tpot=tpot_s(record))
            if runner.has_exited():
                # Continuing would disturb the next run's measurements.
                saved = "what was answered is saved" if save else "complete passes are saved"
                raise UserError(f"{bench.label}: Snakemake has ended; {saved}")
    return found
