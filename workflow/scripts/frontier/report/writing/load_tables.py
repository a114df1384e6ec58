"""The tables of the scenario `server`: a row for each rate of arrivals of each variant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from frontier import words
from frontier.report.deciding.findings import Group
from frontier.report.naming import Naming
from frontier.report.writing.tables import Box
from frontier.results.cell_load import Bound, Loads, Rate
from frontier.text import visible

HEADINGS = (
    "Arrivals/s", "Of at once", "Requests", "Within", "TTFT p50", "p90", "p99", "TPOT p50", "p90",
    "p99", "End to end p50", "p90", "p99", "Goodput/s", "Tokens/s",
)  # fmt: skip


@dataclass(frozen=True)
class LoadTable:
    """One task on one device."""

    task: str
    device: str
    limits: str
    rows: list[tuple[str, str, list[Box]]]
    """A variant, the remark on a rate, and its figures."""
    place: str
    """The group's name in the page."""


def load_tables(groups: Sequence[Group], naming: Naming) -> list[LoadTable]:
    """A table for each group with rates of arrivals."""
    return [
        LoadTable(
            naming.task(group.task, group.scenario),
            naming.devices.label(group.device),
            limits(group.loads.values()),
            [
                (naming.variant(variant), _remark(rate, loads), _figures(rate))
                for variant, loads in group.loads.items()
                for rate in loads.rates
            ],
            group.place,
        )
        for group in groups
        if group.loads
    ]


def load_rows(loads: Loads) -> Iterator[tuple[str, str]]:
    """Each rate and what held there, as a name and a text."""
    for rate in loads.rates:
        times = [
            f"{name} {quantile} {words.seconds(bound.value)}"
            for name, time in (("TTFT", rate.ttft), ("TPOT", rate.tpot))
            for quantile in ("p50", "p99")
            if (bound := getattr(time, quantile))
        ]
        name = f"{words.significant(rate.rate)} arrivals/s"
        yield name, "; ".join((_remark(rate, loads), *times))


def limits(loads: Iterable[Loads]) -> str:
    """The limits: TTFT 2 s and TPOT 100 ms for 99 % of the requests."""
    texts = (
        f"TTFT {words.seconds(one.ttft_s)} and TPOT {words.seconds(one.tpot_s)} for "
        f"{one.percentile:g} % of the requests"
        for one in loads
    )
    return "; ".join(dict.fromkeys(texts))


def verdict(rate: Rate) -> str:
    """The verdict on a rate, in a few words."""
    if rate.invalid:
        return visible(f"invalid: {rate.invalid}")
    if rate.stopped:
        return "stopped: the queue grew without end"
    return {True: "holds", False: "does not hold", None: "not known"}[rate.holds]


def _remark(rate: Rate, loads: Loads) -> str:
    """The verdict on a rate, and whether its prompts came from a server's cache."""
    if loads.prompts is None or rate.invalid:
        return verdict(rate)
    counted = rate.cached_prompt_share
    share = "" if counted is None else f" ({words.percent(counted)} by its own count)"
    return f"{verdict(rate)}; prompts {loads.prompts}{share}"


def _figures(rate: Rate) -> list[Box]:
    share = words.percent(rate.share)
    times = (rate.ttft, rate.tpot, rate.latency)
    return [
        Box(words.significant(rate.rate)),
        Box(share),
        Box(str(rate.requests)),
        Box(f"{100 * rate.within / rate.requests:.4g} %" if rate.requests else words.MISSING),
        *(_time(getattr(time, name)) for time in times for name in ("p50", "p90", "p99")),
        _rate(rate.goodput),
        Box(words.number(rate.output_tokens_per_s)),
    ]


def _time(bound: Bound | None) -> Box:
    if bound is None:
        return Box(words.MISSING)
    ends = words.seconds_interval(bound.value, (bound.low, bound.high))
    return Box(words.seconds(bound.value), ends)


def _rate(bound: Bound | None) -> Box:
    if bound is None:
        return Box(words.MISSING)
    return Box(words.significant(bound.value), words.interval((bound.low, bound.high)))
