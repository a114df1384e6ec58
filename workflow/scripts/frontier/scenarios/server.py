"""MLPerf's Server: requests arrive at random, whether others are answered or not.

First all requests are asked at once; the rate at which they are answered is the unit of the others,
and these answers are scored. Then requests arrive at one rate after another, each by a schedule
that was drawn before its start (scenarios/common/schedule.py): shares of the first rate, then those
by which the highest rate that holds the task's limits is found (scenarios/common/search.py). Times
count from the schedule, so that no wait is left out. Unlike MLPerf's, a rate lasts no ten minutes.

Only complete rates are saved; after an interruption the current one is repeated.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, ClassVar

from frontier.blocks import Measure
from frontier.catalogue.devices import Warmup
from frontier.catalogue.loads import Limits, Rates
from frontier.engines import Due, Failed, Generation, LoadedModel
from frontier.errors import UserError
from frontier.host import presence
from frontier.host.progress import Progress
from frontier.requests import Request
from frontier.results.journal import Journal
from frontier.results.loads import STOPPED, at_once, loads, rate_at_once
from frontier.results.records import Record
from frontier.results.session import Pass, WarmUp
from frontier.scenarios import MOST_ATTEMPTS, Bench, Scenario, answers_of
from frontier.scenarios.common import warming
from frontier.scenarios.common.recording import recorded
from frontier.scenarios.common.schedule import SECOND, Arrival, poisson
from frontier.scenarios.common.search import Tried, next_rate
from frontier.stats import early_stopping

if TYPE_CHECKING:
    from frontier.gates import Timing

LEAD_S = 0.5
"""The time from handing over a schedule to its start, to open connections and prepare prompts."""
PREPARING = 3
"""The time to prepare a request, as a multiple of that when all were asked at once."""
HOPELESS = 10
"""The multiple of the limit of TTFT at which a rate that does not hold is stopped."""
SETTLING = Warmup()

Answers = dict[Arrival, Generation | Failed]


class Server(Scenario):
    """The latency while requests of many users arrive, and the highest rate that is fast enough."""

    INDEPENDENT: ClassVar[bool] = False
    LATENCIES: ClassVar[bool] = False

    limits: Annotated[Limits, Measure] = Limits()
    """The limits of latency."""
    rates: Annotated[Rates, Measure] = Rates()
    """The rates of arrivals that are tried."""

    @property
    def _tries(self) -> int:
        """The most rates that are tried."""
        return len(self.rates.shares) + self.rates.searched

    def calls(self, requests: int, *, paid: bool) -> int:
        """At most: all of them at once, then at each rate, with those after which it settles."""
        return requests + self._tries * (self.rates.max_requests + SETTLING.maximum)

    def seconds(self, requests: int, each_s: float, *, paid: bool) -> float:
        """At each rate the most time for arrivals, and as much for the last answers."""
        return requests * each_s + self._tries * 2 * self.rates.max_seconds

    def is_complete(self, records: Sequence[Record], ids: Collection[str]) -> bool:
        """True if all were asked at once, and there is no rate left to try."""
        if not records or self._incomplete(records, ids):
            return False
        return self._next(records) is None

    def _incomplete(self, records: Sequence[Record], ids: Collection[str]) -> list[Record]:
        """The records of what was interrupted, which is repeated: a rate, or the very beginning."""
        if len(at_once(records)) < len(ids):
            return list(records)
        return [
            record
            for load in loads(records)
            if len(load.records) < self._count(load.rate, len(ids))
            for record in load.records
        ]

    def _count(self, rate: float, sample: int) -> int:
        return self.rates.requests(rate, sample, self.limits.percentile)

    def _next(self, records: Sequence[Record]) -> float | None:
        """The next rate to try; None if there is none."""
        unit = rate_at_once(at_once(records))
        tried = [
            Tried(one.rate, one.holds(self.limits, self.rates), one.stopped)
            for one in loads(records)
        ]
        return None if unit is None else next_rate(tried, unit, self.rates)

    def judged(self, timing: Timing) -> Iterator[Timing]:
        """Each rate; a request without an answer is late there, and no fault of the measurement."""
        for load in loads(timing.records):
            asked = [record for record in load.records if record.failure != STOPPED]
            yield replace(timing, records=asked, max_failed=1.0)

    def withdraw(self, journal: Journal, records: Sequence[Record], passes: Sequence[Pass]) -> int:
        """Removes the whole rates of these requests."""
        rates = {record.rate for record in records}
        failed = [record for record in journal.records if record.rate in rates]
        journal.discard(failed)
        return len(failed)

    def warm_up(self, model: LoadedModel, requests: Sequence[Request], limits: Warmup) -> WarmUp:
        """Runs rounds of several requests at once, as the first timed ones are asked."""
        return warming.at_once(model, requests, limits)

    def measure(self, bench: Bench) -> None:
        """Asks all requests at once, then at one rate after another."""
        journal, ids = bench.journal, list(bench.requests)
        journal.discard(self._incomplete(journal.records, ids))
        journal.begin(asdict(bench.watch.read()))
        bench.pauses.beat()
        if not at_once(journal.records):
            self._ask(bench, None, [Arrival(name, 0, 0) for name in ids])
        while (rate := self._next(journal.records)) is not None:
            count = self._count(rate, len(ids))
            found = self._ask(bench, rate, poisson(ids, count, rate, self.rates.seed))
            if any(record.failure == STOPPED for record in found):
                # What the server still computes must not disturb the next rate.
                super().warm_up(bench.model, list(bench.requests.values()), SETTLING)

    def _ask(self, bench: Bench, rate: float | None, schedule: Sequence[Arrival]) -> list[Record]:
        """Asks by a schedule, again if this process was paused meanwhile; saves the records."""
        attempts, paused = 0, True
        while paused and attempts < (1 if bench.paid else MOST_ATTEMPTS):
            start = time.perf_counter_ns() + (self._lead_ns(bench, schedule) if rate else 0)
            answers = self._answers(bench, rate, schedule, start)
            attempts += 1
            paused = bench.pauses.during(start, time.perf_counter_ns())
        reading = asdict(bench.watch.read())
        records = [
            replace(
                recorded(bench, one.id, answers[one]),
                due_ns=start + one.ns,
                rate=rate,
                repetition=one.repetition,
                attempts=attempts,
                paused=paused,
            )
            for one in schedule
        ]
        bench.journal.extend(records, reading)
        return records

    def _lead_ns(self, bench: Bench, schedule: Sequence[Arrival]) -> int:
        """The time that a schedule needs until its start, by that of all requests at once."""
        first = at_once(bench.journal.records)
        took = min(record.start_ns - record.due_ns for record in first)
        return int(LEAD_S * SECOND + PREPARING * took / len(first) * len(schedule))

    def _answers(
        self, bench: Bench, rate: float | None, schedule: Sequence[Arrival], start: int
    ) -> Answers:
        """The answers to a schedule that starts then; those missing after a stop are failures."""
        arrivals = {f"{one.id} {one.repetition}": one for one in schedule}
        asked = bench.generations
        due = [Due(key, asked[one.id], start + one.ns) for key, one in arrivals.items()]
        label = bench.label if rate is None else f"{bench.label}: {rate:g} requests/s"
        progress, runner = Progress(label, len(schedule), "requests"), presence.Runner()
        found: Answers = {}
        over, most = 0, early_stopping.most_over(len(schedule), self.limits.percentile)
        with closing(answers_of(bench.model, due)) as answers:
            for key, answer in answers:
                one = arrivals[key]
                found[one] = answer
                waited_s = _waited_s(answer, start + one.ns)
                progress.step(ttft=None if isinstance(answer, Failed) else waited_s)
                if runner.has_exited():
                    # Continuing would disturb the next run's measurements.
                    raise UserError(f"{bench.label}: Snakemake has ended; complete rates are saved")
                over += isinstance(answer, Failed) or waited_s > self.limits.ttft_s
                if rate and over > (most or 0) and waited_s > self._hopeless_s:
                    break
        return found | {
            one: Failed(STOPPED, start + one.ns, 0) for one in schedule if one not in found
        }

    @property
    def _hopeless_s(self) -> float:
        return max(HOPELESS * self.limits.ttft_s, self.rates.min_seconds)


def _waited_s(answer: Generation | Failed, due_ns: int) -> float:
    """The time from a request's arrival to its first token, or to its failure."""
    first = answer.arrivals if isinstance(answer, Generation) else []
    end_ns = first[0].ns if first else answer.end_ns
    return (answer.start_ns + end_ns - due_ns) / SECOND
