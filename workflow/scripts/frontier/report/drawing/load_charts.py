"""Charts of the scenario `server` for one task on one device, over variants, as Vega-Lite.

Only rates that passed the checks are drawn. A chart is None where it would be empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from frontier.report.drawing.charts import WIDTH, data, finished, layer, names
from frontier.report.drawing.style import (
    INK,
    QUIET,
    Json,
    colour,
    log_x,
    nominal,
    quantitative,
    shape,
)
from frontier.report.naming import Naming
from frontier.results.cell_load import Bound, Loads, Rate
from frontier.text import visible
from frontier.words import time_unit

HEIGHT = 170
QUANTILES = {"p99": 99.0, "p90": 90.0, "p50": 50.0}
TIMES = {"ttft": "TTFT", "tpot": "TPOT"}
DASHES = [4, 3]


def quantile(loads: Iterable[Loads]) -> str | None:
    """The quantile to draw: the highest that is known, but none above that of the limits."""
    cells = list(loads)
    most = max((one.percentile for one in cells), default=0.0)
    for name, percentile in QUANTILES.items():
        known = any(getattr(rate.ttft, name) for one in cells for rate in one.rates)
        if known and percentile <= max(most, 50.0):
            return name
    return None


def cached(loads: Mapping[str, Loads], naming: Naming) -> list[str]:
    """A line for each mark of cached prompts, with the variants that have it."""
    marks: dict[str, list[str]] = {}
    for variant, one in loads.items():
        if one.prompts:
            marks.setdefault(one.prompts, []).append(naming.variant(variant))
    return [visible(f"Prompts {mark}: {', '.join(named)}", 100) for mark, named in marks.items()]


def latency(loads: Mapping[str, Loads], naming: Naming, title: str) -> Json | None:
    """TTFT and TPOT against the rate of arrivals, a line per variant, with the limits as dashes."""
    name = quantile(loads.values())
    if name is None:
        return None
    panels = [panel for time in TIMES if (panel := _panel(loads, naming, time, name)) is not None]
    subtitle = ["Down and right is better; dashes: the limit", "Hollow: the limits did not hold"]
    subtitle += cached(loads, naming)
    return finished({"vconcat": panels, "spacing": 16}, title, subtitle)


def _panel(loads: Mapping[str, Loads], naming: Naming, time: str, name: str) -> Json | None:
    """A time per request against the rate."""
    rows = [
        {**names(variant, naming), **_point(rate, bound)}
        for variant, one in loads.items()
        for rate in one.rates
        if (bound := getattr(getattr(rate, time), name))
    ]
    if not rows:
        return None
    limits = sorted({getattr(one, f"{time}_s") for one in loads.values()})
    factor, unit = time_unit(max(row["y"] for row in rows))
    for row in rows:
        for key in ("y", "low", "high"):
            row[key] = None if row[key] is None else row[key] * factor
    ruled = [{"y": limit * factor} for limit in limits]
    x = log_x("x", [row["x"] for row in rows], "Arrivals per second (log scale)")
    ends = [row[key] for row in rows for key in ("y", "low", "high")]
    # A limit far above all times would flatten the lines.
    near = [one["y"] for one in ruled if one["y"] <= 10 * max(row["y"] for row in rows)]
    y = log_x("y", [*ends, *near], f"{name} {TIMES[time]}, {unit} (log scale)", 5)
    tint, form = (style(naming, list(loads)) for style in (colour, shape))
    here = {"x": x, "y": y, "color": tint}
    bars = {"x": x, "y": quantitative("low"), "y2": {"field": "high"}, "color": tint}
    by_variant = {"detail": nominal("variant"), "order": quantitative("x")}
    layers = [
        layer("line", {**here, **by_variant}, strokeWidth=1.5, opacity=0.8),
        layer("rule", bars, ("low", "high"), strokeWidth=1.5, opacity=0.55),
        layer("point", {**here, "shape": form}, filled=True, size=70, opacity=1),
        _hollow({**here, "shape": form}),
    ]
    if near:
        rule = layer("rule", {"y": y}, color=QUIET, strokeDash=DASHES, strokeWidth=1.5)
        layers.insert(0, rule | data([{"y": one} for one in near]))
    return {"layer": layers, **data(rows), "width": WIDTH, "height": HEIGHT}


def _point(rate: Rate, bound: Bound) -> dict[str, Any]:
    return {
        "x": rate.rate, "y": bound.value, "low": bound.low, "high": bound.high,
        "holds": rate.holds is True,
    }  # fmt: skip


def _hollow(encoding: Json) -> Json:
    """The points at which the limits did not hold, or were not known to hold, drawn hollow."""
    here = {name: one for name, one in encoding.items() if name != "color"}
    here["shape"] = {**here["shape"], "legend": None}  # its symbols would be white on white
    marked = layer("point", {**here, "color": {"value": "white"}}, filled=True, size=22, opacity=1)
    return {**marked, "transform": [{"filter": "!datum.holds"}]}


def throughput(loads: Mapping[str, Loads], naming: Naming, title: str) -> Json | None:
    """Tokens per second of all users against the time per token of one, a line per variant."""
    rows = [
        {**names(variant, naming), "x": rate.tpot.p50.value, "y": rate.output_tokens_per_s,
         "rate": rate.rate, "holds": rate.holds is True}
        for variant, one in loads.items() for rate in one.rates
        if rate.tpot.p50 and rate.output_tokens_per_s
    ]  # fmt: skip
    if not rows:
        return None
    factor, unit = time_unit(max(row["x"] for row in rows))
    rows = [{**row, "x": row["x"] * factor} for row in rows]
    limits = sorted({one.tpot_s * factor for one in loads.values()})
    near = [limit for limit in limits if limit <= 10 * max(row["x"] for row in rows)]
    x = log_x("x", [*(row["x"] for row in rows), *near], f"Median TPOT, {unit} (log scale)")
    y = quantitative("y", title="Tokens per second", scale={"zero": True})
    tint, form = (style(naming, list(loads)) for style in (colour, shape))
    here = {"x": x, "y": y, "color": tint}
    by_variant = {"detail": nominal("variant"), "order": quantitative("rate")}
    layers = [
        layer("line", {**here, **by_variant}, strokeWidth=1.5, opacity=0.8),
        layer("point", {**here, "shape": form}, filled=True, size=70, opacity=1),
        _hollow({**here, "shape": form}),
    ]
    if near:
        rule = layer("rule", {"x": x}, color=INK, strokeDash=DASHES, strokeWidth=1)
        layers.insert(0, rule | data([{"x": one} for one in near]))
    chart = {"layer": layers, **data(rows), "width": WIDTH, "height": 230}
    subtitle = ["Up and left is better; lines follow the rate", "Hollow: the limits did not hold"]
    subtitle += cached(loads, naming)
    return finished(chart, title, subtitle)
