"""Throughput: of requests one after another, or of passes that ask all of them at once."""

from __future__ import annotations

from collections.abc import Sequence

from frontier import scenarios
from frontier.figures import Measured
from frontier.results.measurement import Measurement
from frontier.results.records import Record
from frontier.results.session import Pass
from frontier.scoring import latency
from frontier.stats import passes
from frontier.stats.intervals import Estimate


def passes_of(measurement: Measurement) -> list[Pass]:
    """The passes of all sessions."""
    return [one for session in measurement.sessions for one in session.loaded.passes]


def tokens(measured: Measured) -> Estimate | None:
    """Generated tokens per second; None where nothing was generated."""
    return _rate(
        measured,
        [record.tokens for record in measured.records],
        [one.tokens for one in passes_of(measured.measurement)],
    )


def requests(measured: Measured) -> Estimate | None:
    """Answered requests per second."""
    return _rate(
        measured,
        [1] * len(measured.records),
        [one.requests for one in passes_of(measured.measurement)],
    )


def one_by_one(measured: Measured) -> bool:
    """True if each request has times of its own; otherwise only passes over all of them have."""
    if passes_of(measured.measurement):
        return False
    return scenarios.load(measured.spec.cell.scenario).LATENCIES


def _rate(measured: Measured, each: Sequence[int], of_passes: Sequence[int]) -> Estimate | None:
    """The rate over passes if there are any, otherwise over requests one after another."""
    if not measured.records:
        return None
    if one_by_one(measured):
        return latency.rate(each, measured.records)
    found = passes_of(measured.measurement)
    return passes.rate(of_passes, [one.seconds for one in found]) if found else None


def inverse(rate: Estimate | None) -> Estimate | None:
    """The seconds for each; None without a rate."""
    if rate is None or not rate.value:
        return None
    # The ends of a rate are those of its inverse, in the other order.
    low, high = (1 / end if end else None for end in (rate.high, rate.low))
    return Estimate(1 / rate.value, low, high, f"the throughput: {rate.method}")


def at_once(records: Sequence[Record]) -> int:
    """The largest number of requests that a process had sent and not had answered at a time."""
    by_session: dict[int, list[Record]] = {}
    for record in records:
        by_session.setdefault(record.session, []).append(record)
    return max(map(_at_once, by_session.values()), default=0)


def _at_once(records: Sequence[Record]) -> int:
    starts = [(record.start_ns, 1) for record in records]
    ends = [(record.start_ns + record.end_ns, -1) for record in records]
    most = now = 0
    for _, change in sorted((*starts, *ends)):  # of equal times, ends come first
        now += change
        most = max(most, now)
    return most
