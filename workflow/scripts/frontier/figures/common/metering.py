"""The energy of a cell's requests, by the counters of the sessions that asked them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from frontier import words
from frontier.figures import Measured
from frontier.figures.common import throughput
from frontier.meters import NOT_COMPUTING, Energized
from frontier.results.measurement import Measurement
from frontier.results.records import Record
from frontier.results.session import Metered, Pass
from frontier.scoring.latency import dependence, in_order, over
from frontier.stats import passes
from frontier.stats.intervals import Estimate
from frontier.stats.jackknife import LOG, jackknife

PARTS: tuple[Energized, ...] = ("cpu", "gpu")
NO_COUNTERS = "nothing was counted: an endpoint's hardware is unknown"


def metered(measurement: Measurement) -> Iterator[Metered]:
    """The counters of the sessions that timed some of the requests, or of all if none is known."""
    asked = {one.session for one in measurement.asking}
    for session in measurement.sessions:
        if (session.session in asked or not asked) and session.loaded.metered:
            yield session.loaded.metered


def counter(measurement: Measurement, part: Energized) -> str | None:
    """The counters of a part, or the reason why its energy is missing; None if not recorded."""
    found = list(metered(measurement))
    if not found:
        return None
    reasons = [one.missing[part] for one in found if part in one.missing]
    counts = [one.counts[part] for one in found if part in one.counts]
    if not reasons and not counts:
        computing = any(one.counts or one.missing for one in found)
        return f"the {part} {NOT_COMPUTING}" if computing else NO_COUNTERS
    ones = dict.fromkeys([*(f"missing: {one}" for one in reasons), *counts])
    return words.join(list(ones))


def per(measured: Measured, part: Energized) -> tuple[Estimate | None, Estimate | None]:
    """The joules for each request and for each generated token; None unless all were counted."""
    if not measured.records:
        return None, None
    if throughput.one_by_one(measured):
        ordered = in_order(measured.records)
        return _by_requests(ordered, [_of(one, part) for one in ordered])
    found = throughput.passes_of(measured.measurement)
    return _by_passes(found, [_of(one, part) for one in found])


def _of(one: Record | Pass, part: Energized) -> float | None:
    return one.cpu_joules if part == "cpu" else one.gpu_joules


def _by_requests(
    records: list[Record], joules: list[float | None]
) -> tuple[Estimate | None, Estimate | None]:
    known = [one for one in joules if one is not None]
    if len(known) < len(records) or not any(known):
        return None, None
    timed = dependence(known, records)

    def ratio(counts: list[int]) -> Estimate | None:
        if int(np.count_nonzero(counts)) < min(2, len(counts)):
            return None  # the ratio to a single request's tokens has no spread
        totals = np.column_stack([known, counts]).astype(np.float64)
        return jackknife(over, totals, scale=LOG, timed=timed).estimate

    return ratio([1] * len(records)), ratio([one.tokens for one in records])


def _by_passes(
    found: list[Pass], joules: list[float | None]
) -> tuple[Estimate | None, Estimate | None]:
    known = [one for one in joules if one is not None]
    if not found or len(known) < len(found) or not any(known):
        return None, None
    tokens = [one.tokens for one in found]
    each = passes.rate(known, [one.requests for one in found])
    return each, passes.rate(known, tokens) if all(tokens) else None
