"""Gate: the client of a server read and sent in time, as far as the figures show it.

Each time that a client reports has a bound of its error (frontier/client/lateness.py). With all
times moved to their bounds, the figures are computed again: by so much they may be wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from frontier.client.exactness import SECOND, allowed_s
from frontier.errors import Reason
from frontier.gates import Gate, Timing
from frontier.results.records import Record

QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
Floats = NDArray[np.float64]
"""Three rows: times in nanoseconds, the least that they may be, and the most."""


class Client(Gate):
    """Fails if a mean or a quantile may be wrong because the client was late."""

    ORDER = 65

    def reason(self, timing: Timing) -> Reason | None:
        """The figure with the largest error, if that is too large."""
        return reason_of(timing.records) if timing.latencies else reason_of_pass(timing.records)


def reason_of(records: Sequence[Record]) -> Reason | None:
    """The figure of these requests with the largest error, if that is too large."""
    timed = [record for record in records if record.late_ns and not record.failure]
    errors = (_error(name, times) for name, times in _times(timed))
    excess, text = max(errors, key=itemgetter(0), default=(0.0, ""))
    return None if excess <= 1 else f"client: it was late; {text}"


def reason_of_pass(records: Sequence[Record]) -> Reason | None:
    """The error of the time of all these requests together, if that is too large."""
    timed = [record for record in records if record.late_ns and not record.failure]
    if not timed:
        return None
    start = min(record.start_ns for record in timed)
    ends = [(record.start_ns + record.end_ns - start, record.late_ns[-1]) for record in timed]
    value, least = max(end for end, _ in ends), max(end - late for end, late in ends)
    excess, text = _error("of all requests", _rows([value], [least], [value]))
    return None if excess <= 1 else f"client: it was late; {text}"


def _error(name: str, times: Floats) -> tuple[float, str]:
    """The largest error of a figure as a multiple of the permitted one, in words, too."""
    found = []
    for figure, (value, least, most) in _figures(times / SECOND):
        error = max(value - least, most - value)
        text = f"the {figure} {name} of {value * 1e3:.1f} ms may be wrong by {error * 1e3:.1f} ms"
        found.append((round(error / allowed_s(value), 6), text))
    return max(found, key=itemgetter(0))


def _figures(rows: Floats) -> Iterator[tuple[str, list[float]]]:
    """The mean and the quantiles of each row."""
    yield "mean", [float(one) for one in rows.mean(axis=1)]
    for name, q in QUANTILES.items():
        yield name, [float(one) for one in np.quantile(rows, q, axis=1)]


def _times(records: Sequence[Record]) -> Iterator[tuple[str, Floats]]:
    """The latencies of requests by name, for those that there are."""
    for name, times in _LATENCIES.items():
        rows = [found for record in records if (found := times(record)).size]
        if rows:
            yield name, np.concatenate(rows, axis=1)


def _latency(record: Record) -> Floats:
    """The times from the due time: a request that was sent late looks slower than it was."""
    late = record.start_ns - record.due_ns
    waited = 0 if record.retries else late
    time = record.end_ns + late
    return _rows([time], [time - record.late_ns[-1] - record.late_ns[0] - waited], [time])


def _ttft(record: Record) -> Floats:
    times = [arrival.ns for arrival in record.arrivals[:1]]
    return _rows(times, [time - record.late_ns[1] - record.late_ns[0] for time in times], times)


def _tpot(record: Record) -> Floats:
    later = record.tokens - record.arrivals[0].tokens if record.arrivals else 0
    if not later:
        return _rows([], [], [])
    time = record.end_ns - record.arrivals[0].ns
    return _rows([time], [time - record.late_ns[-1]], [time + record.late_ns[1]]) / later


def _itl(record: Record) -> Floats:
    times = np.array([arrival.ns for arrival in record.arrivals], dtype=np.float64)
    late = np.array(record.late_ns[1:-1], dtype=np.float64)
    gaps = np.diff(times)
    return _rows(gaps, gaps - late[1:], gaps + late[:-1])


def _rows(times: Sequence[float] | Floats, least: object, most: object) -> Floats:
    return np.maximum(np.array([times, least, most], dtype=np.float64), 0)


_LATENCIES: dict[str, Callable[[Record], Floats]] = {
    "latency": _latency, "TTFT": _ttft, "TPOT": _tpot, "ITL": _itl,
}  # fmt: skip
