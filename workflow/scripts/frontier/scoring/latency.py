"""Statistics of the latencies of records: means, quantiles and rates, each with its interval."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from frontier.results.records import Record
from frontier.results.times import itl_s, latency_s
from frontier.stats.intervals import (
    CONFIDENCE,
    Estimate,
    between_ranks,
    quantile_interval,
    quantile_ranks,
)
from frontier.stats.jackknife import FEWEST, LOG, jackknife
from frontier.stats.serial import Floats, Serial, serial

Statistics = dict[str, Estimate | None]
QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
SHOWS_TAIL = 100  # requests; a mean of fewer is wrong if rare ones are much slower


def in_order(records: Iterable[Record]) -> list[Record]:
    """Records in order of time."""
    return sorted(records, key=lambda record: (record.session, record.start_ns))


def sizes(records: Sequence[Record]) -> list[list[int]]:
    """The sizes of each request, independent of the machine: its tokens, in and out."""
    return [[record.tokens for record in records], [record.prompt_tokens for record in records]]


def dependence(times: ArrayLike, records: Sequence[Record]) -> Serial:
    """The autocorrelation of times, for records in order of time."""
    begins = (
        place
        for place, (before, record) in enumerate(pairwise(records), start=1)
        if before.session != record.session
    )
    return serial(times, sizes(records), tuple(begins))


def mean(values: Sequence[float], timed: Serial) -> Estimate:
    """The mean of times in order of measurement."""
    counts = np.column_stack([values, np.ones(len(values))])
    return _known_tail(jackknife(over, counts, scale=LOG, timed=timed).estimate, len(values))


def over(totals: Floats) -> Floats:
    """The rate for each row of totals: the first column over the second."""
    ratio: Floats = totals[:, 0] / totals[:, 1]
    return ratio


def _known_tail(estimate: Estimate, n: int) -> Estimate:
    """The estimate, with a note on what a sample of `n` cannot show (the rule of three: 3 / n)."""
    if estimate.low is None or n >= SHOWS_TAIL:
        return estimate
    blind = f"; blind to slow requests rarer than {3 / n:.0%}"
    return replace(estimate, method=estimate.method + blind)


def summarize(time: Callable[[Record], float | None], records: Sequence[Record]) -> Statistics:
    """Mean and quantiles of a time per request, each with its interval; None if unknown."""
    timed = [(value, record) for record in in_order(records) if (value := time(record)) is not None]
    if not timed:
        return dict.fromkeys(("mean", *QUANTILES))
    values, known = [value for value, _ in timed], [record for _, record in timed]
    goes_on = dependence(values, known)
    figures = {name: quantile_interval(values, q, timed=goes_on) for name, q in QUANTILES.items()}
    return {"mean": mean(values, goes_on), **figures}


def inter_token_latency(records: Sequence[Record]) -> Statistics:
    """Mean and quantiles of all gaps between arrivals; a request's gaps are a cluster.

    If arrivals had several tokens, each figure's method gives their average number.

    A quantile's interval is that of as many independent gaps as have the same variance: the gaps
    over the design effect of the share below it. Source: Woodruff, "Confidence intervals for
    medians and other position measures", JASA 47 (1952); Kish, "Survey Sampling" (1965).
    """
    ordered = [(record, itl) for record in in_order(records) if (itl := itl_s(record))]
    if not ordered:
        return dict.fromkeys(("mean", *QUANTILES))
    known, lists = [record for record, _ in ordered], [itl for _, itl in ordered]
    pooled = np.concatenate(lists)
    counts = np.array([[sum(itl), len(itl)] for itl in lists])
    goes_on = dependence(over(counts), known)
    average = jackknife(over, counts, scale=LOG, timed=goes_on).estimate
    figures = {name: _clustered(pooled, lists, q, goes_on) for name, q in QUANTILES.items()}
    found = {"mean": _known_tail(average, len(known)), **figures}
    return {name: _between_arrivals(figure, known) for name, figure in found.items()}


def _between_arrivals(figure: Estimate | None, records: Sequence[Record]) -> Estimate | None:
    """The estimate, with a note if several tokens arrived at the ends of its gaps."""
    tokens = sum(one.tokens for record in records for one in record.arrivals[1:])
    each = tokens / sum(len(record.arrivals) - 1 for record in records)
    if figure is None or each == 1:
        return figure
    return replace(
        figure, method=f"between arrivals of {each:.3g} tokens on average; {figure.method}"
    )


def tokens_per_arrival(records: Sequence[Record]) -> float | None:
    """Generated tokens per arrival; 1 if each token has its own time."""
    arrivals = sum(len(record.arrivals) for record in records)
    return sum(record.tokens for record in records) / arrivals if arrivals else None


def _clustered(
    pooled: Floats, lists: Sequence[Sequence[float]], q: float, timed: Serial
) -> Estimate | None:
    """A quantile of clustered values, with one cluster per request."""
    if quantile_ranks(len(pooled), q) is None:
        return None
    value = float(np.quantile(pooled, q))
    if len(lists) < FEWEST:
        return Estimate(value, None, None, f"no interval: fewer than {FEWEST} requests")
    # At the median too: an extreme quantile can be within one request, which hides the variance.
    together = max(1.0, *(design_effect(pooled, lists, at, timed) for at in (q, 0.5)))
    effective = len(pooled) / together
    note = f"; clustered by request, {timed.worth(effective, len(pooled), 'gaps')}"
    return between_ranks(np.sort(pooled), q, CONFIDENCE, effective, note)


def design_effect(
    pooled: Floats, lists: Sequence[Sequence[float]], q: float, timed: Serial
) -> float:
    """The ratio of the variances of the share below a quantile: clustered to independent values."""
    value, n = float(np.quantile(pooled, q)), len(lists)
    below = np.array([(np.asarray(each) <= value).sum() - q * len(each) for each in lists])
    variance = float((below**2).sum()) * n / (n - 1) * timed.of_mean(below)
    return variance / (len(pooled) * q * (1 - q))


def rate(counts: Sequence[float], records: Sequence[Record]) -> Estimate:
    """The total of each request's count over the total time of all requests.

    `records` are in order of time. A mean of the requests' rates would overweight short ones.
    """
    seconds = np.array([latency_s(record) for record in records])
    columns = np.column_stack([np.array(counts, dtype=np.float64), seconds])
    return jackknife(over, columns, scale=LOG, timed=dependence(seconds, records)).estimate
