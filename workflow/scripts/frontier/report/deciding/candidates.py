"""Candidates of a decision, from the study's rows: the figures on which a reader can set limits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from frontier import words
from frontier.meters import NOT_COMPUTING
from frontier.report.deciding.findings import comparable, point
from frontier.report.deciding.limits import Candidate, Figure, Limit
from frontier.report.deciding.pareto import points_per_unit
from frontier.report.deciding.speed import speed_of
from frontier.results.columns import StudyRow
from frontier.tables.study import columns


@dataclass(frozen=True)
class Limitable:
    """A figure that can be limited: its columns, of which the first known counts, and its words."""

    title: str
    unit: str
    columns: tuple[str, ...]


def _times(figure: str, title: str, *prefixes: str) -> dict[str, Limitable]:
    return {
        f"{figure}_p{q}": Limitable(
            f"{title} ({'median' if q == 50 else f'p{q}'})",
            "s",
            tuple(f"{prefix}_p{q}_s" for prefix in prefixes),
        )
        for q in PERCENTILES
    }


PERCENTILES = (50, 90, 99)
PARTS = ("cpu", "gpu")
"""The parts whose energy is counted."""
LIMITABLE: Mapping[str, Limitable] = {
    **_times("latency", "latency", "latency", "choice"),
    **_times("ttft", "time to first token", "ttft"),
    **_times("tpot", "time per output token", "tpot"),
    "rate": Limitable("rate of requests", "requests/s", ("max_rate_per_s", "requests_per_s")),
    "score": Limitable("score", "points", ("score",)),
    "memory": Limitable("memory", "bytes", ("device_peak_bytes", "host_peak_bytes")),
    "energy": Limitable("energy per request", "J", ()),
    "cost": Limitable("cost of 1,000 requests", "", ("cost_per_1000_requests",)),
}
"""Every limit by the name of its figure; a device without memory of its own uses the host's. The
energy is the sum of several columns."""


@cache
def _ends() -> Mapping[str, list[str]]:
    """The two columns with the ends of each column's interval."""
    found: dict[str, list[str]] = {}
    for column in columns():
        if column.interval_of:
            found.setdefault(column.interval_of, []).append(column.name)
    return found


def _figure(row: StudyRow, column: str) -> Figure:
    """The figure of a column that is known; one without an interval is no estimate."""
    low, high = _ends().get(column, (column, column))
    return Figure(row[column], row.get(low), row.get(high))


def _energy(row: StudyRow) -> Figure | None:
    """The joules of a request in all parts of the machine that compute; None unless all are known.

    The sums of the ends are no narrower than a 95 % interval.
    """
    found = []
    for part in PARTS:
        column, counter = f"{part}_joules_per_request", row.get(f"{part}_energy_counter") or ""
        if row.get(column) is not None:
            found.append(_figure(row, column))
        elif NOT_COMPUTING not in counter:
            return None  # it used some that was not counted
    if not found:
        return None
    low, high = (
        None if None in ends else sum(end for end in ends if end is not None)
        for ends in ([one.low for one in found], [one.high for one in found])
    )
    return Figure(sum(one.value for one in found), low, high)


def candidate(row: StudyRow) -> Candidate:
    """A comparable cell as a candidate."""
    figures = {}
    for name, one in LIMITABLE.items():
        known = [column for column in one.columns if row.get(column) is not None]
        if known:
            figures[name] = _figure(row, known[0])
    if energy := _energy(row):
        figures["energy"] = energy
    factor = points_per_unit(row["score_unit"])
    score = [None if end is None else end * factor for end in figures["score"]]
    figures["score"] = Figure(*score)  # type: ignore[arg-type]
    at = point(row)
    return Candidate(row["variant"], row["device"], row["task"], at.latency, figures)


def candidates(rows: Iterable[StudyRow]) -> list[Candidate]:
    """The comparable cells as candidates."""
    return [candidate(row) for row in rows if comparable(row)]


def applies(limit: Limit, rows: Iterable[StudyRow]) -> bool:
    """Whether the cells of one task in one scenario can have the figure of a limit.

    A request has no latency of its own where all are asked at once; a rate is limited only there.
    """
    if limit.figure.startswith(("latency_", "ttft_", "tpot_")):
        return not speed_of(*rows).rate
    return limit.figure != "rate" or speed_of(*rows).rate


def limit_text(limit: Limit) -> str:
    """A limit in words: latency (p99) at most 200 ms in sst2."""
    where = f" in {limit.task}" if limit.task else ""
    value = amount(limit.figure, limit.value)
    return f"{LIMITABLE[limit.figure].title} at {limit.bound} {value}{where}"


def amount(figure: str, value: float | None) -> str:
    """A figure's value with its unit: 14.2 ms, 90 points, 1.2 GB."""
    unit = LIMITABLE[figure].unit
    if value is None:
        return "?"
    if unit == "s":
        return words.seconds(value)
    if unit == "bytes":
        return words.size(value)
    return f"{words.significant(value)} {unit}".rstrip()
