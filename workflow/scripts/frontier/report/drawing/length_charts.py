"""The chart of prompts' lengths, for one task on one device, over variants, as Vega-Lite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from frontier.report.deciding.entries import LengthPoint
from frontier.report.drawing.charts import WIDTH, data, finished, layer, names
from frontier.report.drawing.style import (
    Json,
    colour,
    log_domain,
    log_ticks,
    log_x,
    nominal,
    quantitative,
    shape,
)
from frontier.report.naming import Naming
from frontier.stats.intervals import Estimate
from frontier.words import time_unit

HEIGHT = 150
Lengths = Mapping[str, Sequence[LengthPoint]]
SIZES = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "bytes"))


def lengths(found: Lengths, naming: Naming, title: str) -> Json | None:
    """TTFT, the bytes of the KV cache and the score against the prompts' tokens, a line a variant.

    None without prompts that differ enough in length.
    """
    every = [point.tokens for points in found.values() for point in points]
    if not every:
        return None
    x = log_x("x", every, "Tokens of the prompt (log scale)")
    panels = [
        panel
        for panel in (
            _times(found, naming, x),
            _caches(found, naming, x),
            _scores(found, naming, x),
        )
        if panel is not None
    ]
    subtitle = "Flat is better: no cost of length; lines: 95 % intervals"
    return finished({"vconcat": panels, "spacing": 16}, title, subtitle) if panels else None


def _times(found: Lengths, naming: Naming, x: Json) -> Json | None:
    known = [point.ttft.value for one in found.values() for point in one if point.ttft]
    values = [value for value in known if value]
    if not values:
        return None
    factor, unit = time_unit(max(values))
    rows = [
        _row(variant, naming, point, point.ttft, factor)
        for variant, points in found.items()
        for point in points
        if point.ttft
    ]
    return _panel(rows, found, naming, x, _log_y(rows, f"Median TTFT, {unit} (log scale)"))


def _caches(found: Lengths, naming: Naming, x: Json) -> Json | None:
    rows = [
        {**names(variant, naming), "x": point.tokens, "y": point.cache_bytes}
        for variant, points in found.items()
        for point in points
        if point.cache_bytes
    ]
    if not rows:
        return None
    most = max(row["y"] for row in rows)
    factor, unit = next(size for size in SIZES if most >= size[0] or size[0] == 1)
    rows = [{**row, "y": row["y"] / factor} for row in rows]
    return _panel(rows, found, naming, x, _log_y(rows, f"KV cache, {unit} (log scale)"))


def _scores(found: Lengths, naming: Naming, x: Json) -> Json | None:
    rows = [
        _row(variant, naming, point, point.score, 100)
        for variant, points in found.items()
        for point in points
        if point.score
    ]
    if not rows:
        return None
    y = quantitative("y", title="Right answers, %", scale={"domain": [0, 100]})
    return _panel(rows, found, naming, x, y)


def _row(
    variant: str, naming: Naming, point: LengthPoint, figure: Estimate, factor: float
) -> dict[str, Any]:
    ends = {"y": figure.value, "low": figure.low, "high": figure.high}
    scaled = {name: None if one is None else one * factor for name, one in ends.items()}
    return {**names(variant, naming), "x": point.tokens, **scaled}


def _log_y(rows: Sequence[Mapping[str, Any]], title: str) -> Json:
    domain = log_domain([row.get(key) for row in rows for key in ("y", "low", "high")])
    ticks = [float(f"{tick:.6g}") for tick in log_ticks(*domain, 5)]
    scale = {"type": "log", "domain": list(domain), "nice": False}
    return quantitative("y", title=title, scale=scale, axis={"values": ticks, "format": "~r"})


def _panel(rows: list[dict[str, Any]], found: Lengths, naming: Naming, x: Json, y: Json) -> Json:
    tint, form = (style(naming, list(found)) for style in (colour, shape))
    here = {"x": x, "y": y, "color": tint}
    bars = {"x": x, "y": quantitative("low"), "y2": {"field": "high"}, "color": tint}
    by_variant = {"detail": nominal("variant"), "order": quantitative("x")}
    layers = [
        layer("line", {**here, **by_variant}, strokeWidth=1.5, opacity=0.8),
        layer("rule", bars, ("low", "high"), strokeWidth=1.5, opacity=0.55),
        layer("point", {**here, "shape": form}, filled=True, size=70, opacity=1),
    ]
    return {"layer": layers, **data(rows), "width": WIDTH, "height": HEIGHT}
