"""Captions of the charts, and descriptions for readers who cannot see them."""

from __future__ import annotations

from frontier import words
from frontier.catalogue.ids import SINGLE_STREAM
from frontier.report.deciding.entries import FEWEST, PlottedVariant, points
from frontier.report.deciding.findings import Group
from frontier.report.deciding.pareto import fastest_within, front
from frontier.report.drawing import rating_chart
from frontier.report.naming import Naming
from frontier.text import visible


def _requests(group: Group) -> str:
    counts = sorted({row["requests"] for row in group.rows if row["requests"]})
    shown = " to ".join(str(count) for count in dict.fromkeys((*counts[:1], *counts[-1:])))
    arrive = "one at a time" if _one_at_a_time(group) else f"scenario {group.scenario}"
    choices = {row["decoding"] for row in group.rows if row["decoding"]}
    drawn = sorted(choices - {"greedy", "sampled"})
    decoding = " and ".join(drawn) or "greedy decoding"
    decoding += ", sampled where an endpoint refuses that" if "sampled" in choices else ""
    return f"{shown} requests a variant, {arrive}, {decoding}, after warm-up".strip()


def _one_at_a_time(group: Group) -> bool:
    return group.scenario == SINGLE_STREAM


def scenarios(naming: Naming) -> str:
    """The scenarios of the study: " in the scenario offline"; empty for single-stream alone."""
    ids = naming.scenarios.ids
    if ids == [SINGLE_STREAM]:
        return ""
    named = words.join([naming.scenarios.label(id_) for id_ in ids])
    return f" in the {'scenario' if len(ids) == 1 else 'scenarios'} {named}"


def arrival(naming: Naming) -> str:
    """The arrival of requests, for the section on the measurement."""
    if found := scenarios(naming):
        return f"{found.strip()} of MLPerf ({SINGLE_STREAM}: one at a time)"
    return "one at a time (MLPerf's SingleStream scenario)"


def frontier(group: Group, naming: Naming) -> str:
    """The frontier's caption: its points and lines, and what it does not show."""
    line = words.join([naming.variant(entry.variant) for entry in _on_line(group)])
    load = "speed with several requests at once" if _one_at_a_time(group) else "other scenarios"
    return (
        f"{_requests(group)}; latency and score come from the same generations. On the Pareto "
        f"line, fastest first: {line}. Lines through a point: 95 % intervals. Does not show: "
        f"{load}, memory, or whether two variants with overlapping intervals differ (they share "
        "their requests)."
    )


def distributions(group: Group, naming: Naming) -> str:
    """The distributions' caption: how times are measured, and what it does not show."""
    return (
        f"{_requests(group)}; tokens timed on arrival by a monotonic clock, the device "
        "synchronized, tokenization included end to end. Does not show: the slowest and fastest "
        "5 %, drift during the run, or that longer answers take longer."
    )


def quantization(group: Group, naming: Naming) -> str:
    """The quantization chart's caption: its intervals, and what it does not show."""
    return (
        f"{_requests(group)}, the same ones for both; lines: 95 % intervals, each for itself (the "
        "tests below are corrected for their number). Weights: bytes stored. Does not show: "
        "quality on other tasks, or the same quantization on another engine."
    )


def ratings(group: Group, naming: Naming) -> str:
    """The ratings' caption: their scale, and what they do not show."""
    judges = words.join(sorted({visible(row["judge"], 80) for row in group.ratings}))
    return (
        f"Bradley and Terry's ratings by the verdicts of {judges} on pairs of these variants' "
        "answers, each in both orders; 400 more are odds of 10 to 1. Intervals: over questions. "
        "Does not show: whether the judge is right (see its check), or how it would rate others."
    )


def _arrivals(group: Group) -> str:
    one = next(iter(group.loads.values()))
    requests = [rate.requests for load in group.loads.values() for rate in load.rates]
    few, many = min(requests), max(requests)
    counted = str(few) if few == many else f"{few} to {many}"
    limits = f"TTFT {words.seconds(one.ttft_s)}, TPOT {words.seconds(one.tpot_s)}"
    return (
        f"{counted} requests at each rate, arriving at random (Poisson) by a schedule drawn before "
        f"its start; limits: {limits} for {one.percentile:g} % of the requests"
    )


def load(group: Group, naming: Naming) -> str:
    """The caption of latency under load: how times count, and what it does not show."""
    return (
        f"{_arrivals(group)}. Times count from the scheduled arrival, waiting included; requests "
        "without an answer count as slower than all others. Lines through a point: 95 % intervals. "
        "Does not show: rates at which the quantile is not known, and those that failed a check."
    )


def throughput(group: Group, naming: Naming) -> str:
    """The caption of the throughput: its axes, and what it does not show."""
    return (
        f"{_arrivals(group)}. Tokens of all requests over the time from the first arrival to the "
        "last answer. Does not show: the time to first token, or the score."
    )


def lengths(group: Group, naming: Naming) -> str:
    """The caption of the prompts' lengths: the models' attention, and what it does not show."""
    kinds = {
        naming.model(variant): naming.attention(variant)
        for variant in group.lengths
        if naming.attention(variant)
    }
    attention = "; ".join(f"{model}: {kind}" for model, kind in kinds.items())
    return (
        f"{_requests(group)}, in parts by the length of their prompts. KV cache: at the end of a "
        "request, by the shapes of its tensors; layers with a sliding window hold no more than its "
        f"tokens.{f' Attention: {attention}.' if attention else ''} Does not show: parts of fewer "
        f"than {FEWEST} requests, or what an engine reserves beyond a request's need."
    )


def _on_line(group: Group) -> list[PlottedVariant]:
    line = {point.name for point in front(points(group.entries))}
    on_it = [entry for entry in group.entries if entry.variant in line]
    return sorted(on_it, key=lambda entry: entry.latency)


def _figures(entry: PlottedVariant, naming: Naming) -> str:
    score = words.MISSING if entry.score is None else f"{entry.score:.1f}"
    return f"{naming.variant(entry.variant)} ({words.seconds(entry.latency)}, {score})"


def described(kind: str, group: Group, naming: Naming, margin: float) -> str:
    """A chart's content as text, for readers who cannot see it."""
    if kind == "frontier":
        chosen = fastest_within(points(group.entries), margin)
        named = naming.variant(chosen.name) if chosen else "none"
        text = "; ".join(_figures(entry, naming) for entry in _on_line(group))
        return f"On the Pareto line, fastest first: {text}. Fastest within {margin:g}: {named}."
    if kind in ("load", "throughput"):
        text = "; ".join(
            f"{naming.variant(variant)}: {words.number(one.max_rate)} requests/s"
            + (f" (prompts {one.prompts})" if one.prompts else "")
            for variant, one in group.loads.items()
        )
        return f"Highest rate of arrivals at which the limits hold. {text}."
    if kind == "lengths":
        text = "; ".join(
            f"{naming.variant(variant)}: "
            + ", ".join(
                f"{words.seconds(one.ttft.value if one.ttft else None)} and "
                f"{words.size(one.cache_bytes)} at {one.tokens:.0f} tokens"
                for one in (points[0], points[-1])
            )
            for variant, points in group.lengths.items()
        )
        return f"Median TTFT and KV cache of the shortest and the longest prompts. {text}."
    if kind == "ratings":
        text = "; ".join(
            f"{naming.variant(row['variant'])}: {row['rating']:.0f}"
            + (f" ({words.interval(ends, places=0)})" if any(ends) else "")
            for row in rating_chart.rated(group.ratings, naming)
            for ends in [(row["rating_low"], row["rating_high"])]
        )
        return f"Ratings by the judge with 95 % intervals, best first. {text}."
    if kind == "distributions":
        text = "; ".join(_figures(entry, naming) for entry in group.entries)
        return f"Quantiles of the latency of each variant. Median and score: {text}."
    text = "; ".join(
        f"{naming.variant(row['variant'])}: {words.signed(row['difference'])} points, "
        f"{words.ratio(row['latency_ratio'])} the latency"
        for row in group.comparisons
        if row["difference"] is not None
    )
    return f"Change against the native model, or without the last technique. {text}."
