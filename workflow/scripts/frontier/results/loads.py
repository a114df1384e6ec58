"""The records of the scenario `server`, by the rate at which requests arrived."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from frontier.catalogue.loads import Limits, Rates
from frontier.errors import Reason
from frontier.results.records import Record
from frontier.results.times import SECOND, latency_s, tpot_s, ttft_due_s
from frontier.stats import early_stopping

STOPPED: Reason = "not answered: its rate was stopped, because the queue grew without end"


def answered(record: Record) -> bool:
    """True if a request was answered as it arrived: at the first attempt."""
    return record.failure is None and record.retries == 0


def over_ttft(record: Record, limits: Limits) -> bool:
    """True if a request exceeded the limit of TTFT, counted from its arrival, or had no answer.

    Of an answer without a token its end counts: the user has waited for that.
    """
    ttft = ttft_due_s(record)
    waited = latency_s(record) if ttft is None else ttft
    return not answered(record) or waited > limits.ttft_s


def over_tpot(record: Record, limits: Limits) -> bool:
    """True if a request exceeded the limit of TPOT, or had no answer."""
    tpot = tpot_s(record)
    return not answered(record) or (tpot is not None and tpot > limits.tpot_s)


@dataclass(frozen=True)
class Load:
    """The requests that arrived at one rate."""

    rate: float
    """Arrivals per second."""
    records: tuple[Record, ...]
    """The records in the order of arrival."""

    @property
    def stopped(self) -> bool:
        """True if it was stopped, because the queue grew without end."""
        return any(record.failure == STOPPED for record in self.records)

    def kept(self, limits: Limits) -> list[bool]:
        """Whether each request was within both limits."""
        return [not (over_ttft(one, limits) or over_tpot(one, limits)) for one in self.records]

    def holds(self, limits: Limits, rates: Rates) -> bool | None:
        """Whether both limits are known to hold, by MLPerf's early stopping.

        None if there were too few requests to know, or in too short a time for a queue to grow.
        """
        exceeded = (over_ttft, over_tpot)
        overs = [sum(over(one, limits) for one in self.records) for over in exceeded]
        count = len(self.records)
        known = [early_stopping.holds(over, count, limits.percentile) for over in overs]
        if False in known:
            return False
        long_enough = rates.long_enough(self.rate, count)
        return True if None not in known and long_enough else None


def at_once(records: Iterable[Record]) -> list[Record]:
    """The requests that were all asked at once, whose answers are scored."""
    return [record for record in records if record.rate is None]


def loads(records: Iterable[Record]) -> list[Load]:
    """The requests at each rate, the lowest first."""
    found: dict[float, list[Record]] = {}
    for record in records:
        if record.rate is not None:
            found.setdefault(record.rate, []).append(record)
    return [
        Load(rate, tuple(sorted(found[rate], key=lambda one: (one.session, one.due_ns))))
        for rate in sorted(found)
    ]


def rate_at_once(records: Sequence[Record]) -> float | None:
    """The answers per second of requests that were all asked at once; None without an answer."""
    whole = [record for record in records if record.failure is None]
    if not whole:
        return None
    start = min(record.start_ns for record in whole)
    took = max(record.start_ns + record.end_ns for record in whole) - start
    return len(whole) * SECOND / took if took else None
