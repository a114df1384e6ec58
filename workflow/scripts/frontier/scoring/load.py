"""Figures of the scenario `server` at each rate of arrivals, and the highest rate that holds.

A request without an answer, or that had to be sent again, is slower than all others: to leave it
out would make an overloaded engine look fast.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from frontier.gates import Timing, first_reason
from frontier.results.cell_load import Bound, Cached, Loads, Quantiles, Rate
from frontier.results.loads import STOPPED, Load, answered, rate_at_once
from frontier.results.measurement import Measurement, ServerKeys
from frontier.results.records import Record
from frontier.results.times import SECOND, cached_share, latency_s, tpot_s, ttft_due_s, ttft_s
from frontier.scenarios.common.search import Tried, bracket
from frontier.scoring.latency import QUANTILES, dependence
from frontier.stats import early_stopping
from frontier.stats.batch_means import inflation, queued
from frontier.stats.intervals import quantile_interval, wilson
from frontier.stats.serial import FEWEST_WORTH, Serial

NEVER = 1e8
"""Seconds; the time of a request without an answer."""
ROUNDING = 1e-4
"""Seconds; rounding between a time and NEVER, of which nothing depends on the latter."""


def summary(
    measured: Measurement,
    first: Sequence[Record],
    at_rates: Sequence[Load],
    max_background_cores: float,
    max_slowed: float = 1.0,
) -> Loads:
    """All rates of a measurement; `first` are the requests that were all asked at once."""
    keys, unit = measured.server_keys, rate_at_once(first)
    rates = []
    for load in at_rates:
        asked = [record for record in load.records if record.failure != STOPPED]
        # A request without an answer is late; many of them are a result and no fault of it.
        limits = max_background_cores, 1.0
        timing = Timing.of(measured, asked, *limits, max_slowed=max_slowed)
        rates.append(_rate(load, keys, unit, first_reason(timing)))
    holds, fails = bracket([Tried(one.rate, one.holds, one.stopped) for one in rates])
    return Loads(
        **keys.limits.model_dump(),
        prompts=_cached(measured, rates),
        at_once_per_s=unit,
        max_rate=holds,
        fails_at=fails,
        rates=tuple(rates),
    )


def reason(loads: Loads) -> str | None:
    """The reason why no figure is published: none of its rates passed the checks."""
    reasons = [one.invalid for one in loads.rates]
    return None if None in reasons else next(iter(reasons), None)


def _rate(load: Load, keys: ServerKeys, unit: float | None, invalid: str | None) -> Rate:
    """The figures of one rate, without its times if they are `invalid`."""
    kept = load.kept(keys.limits)
    count = len(kept)
    ends = [one.start_ns + one.end_ns for one in load.records if answered(one)]
    seconds = (max(ends) - load.records[0].due_ns) / SECOND if ends else 0.0
    found = Rate(
        rate=load.rate,
        share=load.rate / unit if unit else None,
        requests=count,
        answered=len(ends),
        within=sum(kept),
        seconds=seconds,
        holds=None if invalid else load.holds(keys.limits, keys.rates),
        stopped=load.stopped,
        invalid=invalid,
    )
    if invalid or not seconds:
        return found
    tokens = sum(one.tokens for one in load.records if answered(one))
    update = {
        "goodput": goodput(kept, seconds, _together(load.records)),
        "output_tokens_per_s": tokens / seconds,
        "cached_prompt_share": cached_share(load.records),
        "latency": _quantiles(latency_s, load.records),
        "ttft": _quantiles(ttft_due_s, load.records),
        "ttft_sent": _quantiles(ttft_s, load.records),
        "tpot": _quantiles(tpot_s, load.records),
    }
    return found.model_copy(update=update)


def _cached(measured: Measurement, rates: Sequence[Rate]) -> Cached | None:
    """Whether a prefix cache answered prompts again, by the server's count or its settings.

    A server may report that nothing was cached where it only does not count it.
    """
    settings = {server.prefix_cache for server in measured.servers}
    if True in settings or any(one.cached_prompt_share for one in rates):
        return "cached"
    return "may be cached" if None in settings else None


def goodput(kept: Sequence[bool], seconds: float, timed: Serial) -> Bound:
    """Requests within the limits per second; the interval is that of their share.

    `kept`: whether each request was, in the order of arrival. Those of one queue are late together,
    so that they are worth fewer independent ones.
    """
    count, within = len(kept), sum(kept)
    rate, inside = count / seconds, min(max(within, 0.5), count - 0.5) / count
    together = max(timed.of_quantile(inside), inflation(np.array(kept, dtype=np.float64)))
    worth = count / together
    if worth < FEWEST_WORTH:
        return Bound(value=within / seconds, method=f"no interval: {timed.worth(worth, count)}")
    share = wilson(worth * (within / count), worth)
    assert share.low is not None
    assert share.high is not None
    method = (
        f"the share within the limits, {share.method}, of {rate:.4g} requests/s; in one queue, "
        f"worth {worth:.3g} of {count} requests"
    )
    return Bound(
        value=within / seconds, low=share.low * rate, high=share.high * rate, method=method
    )


def _together(records: Sequence[Record]) -> Serial:
    """The autocorrelation of the end-to-end times, which share a queue."""
    times = [_time(latency_s, one) or NEVER for one in records]
    return queued(dependence(times, records), times)


def _quantiles(time: Callable[[Record], float | None], records: Sequence[Record]) -> Quantiles:
    """The quantiles of a time over the requests that have it, or have no answer."""
    timed = [(_time(time, record), record) for record in records]
    known = [(value, record) for value, record in timed if value is not None]
    values, asked = [value for value, _ in known], [record for _, record in known]
    return Quantiles(**{name: _bound(values, q, asked) for name, q in QUANTILES.items()})


def _time(time: Callable[[Record], float | None], record: Record) -> float | None:
    return time(record) if answered(record) else NEVER


def _bound(values: Sequence[float], q: float, records: Sequence[Record]) -> Bound | None:
    percentile = round(100 * q, 6)
    if len(values) < early_stopping.required(1, percentile):
        return None
    found = quantile_interval(values, q, timed=queued(dependence(values, records), values))
    longest = max((value for value in values if value < NEVER), default=0.0)
    if found is None or (value := _finite(found.value, longest)) is None:
        return None
    return Bound(
        value=value,
        low=found.low,
        high=_finite(found.high, longest),
        method=found.method,
        at_most=_finite(early_stopping.estimate(values, percentile), longest),
    )


def _finite(value: float | None, longest: float) -> float | None:
    """The value; None if it depends on a request without an answer: it exceeds the longest time."""
    return None if value is None or value > longest + ROUNDING else min(value, longest)
