"""The charts of latencies and scores, each for one task on one device, as Vega-Lite.

Rows are the study's (see frontier.results.columns). A chart is None where it would be empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from frontier import figures
from frontier.report.deciding.entries import PlottedVariant, points
from frontier.report.deciding.pareto import best, fastest_within, front
from frontier.report.drawing.style import (
    CONFIG,
    FAINT,
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
from frontier.results.columns import StudyRow
from frontier.words import time_unit

WIDTH = 350
LABELS = 115  # minimum width for the variants' names, so that charts of a kind are equally wide


def data(rows: Iterable[StudyRow]) -> Json:
    """Rows as the data of a chart and its layers, or of a single layer."""
    return {"data": {"values": [dict(row) for row in rows]}}


def layer(mark: str, encoding: Json, known: Sequence[str] = (), **options: Any) -> Json:
    """A mark with its options, for each row in which the `known` fields are not null.

    Marks in a variant's colour carry its id as their description, for the page's script.
    """
    if encoding.get("color", {}).get("field"):
        options, encoding = named(options, encoding, nominal("id"))
    spec: Json = {"mark": {"type": mark, **options}, "encoding": encoding}
    if known:
        spec["transform"] = [{"filter": " && ".join(f"datum.{name} != null" for name in known)}]
    return spec


def named(options: Json, encoding: Json, description: Json) -> tuple[Json, Json]:
    """A mark's options and encoding with a description (see svg.described)."""
    return {**options, "aria": True}, {**encoding, "description": description}


def finished(chart: Json, title: str, subtitle: str | list[str]) -> Json:
    """A chart with its title and the report's settings, as Vega-Lite."""
    return {**chart, "title": {"text": title, "subtitle": subtitle}, "config": CONFIG}


def variants_axis(**more: Any) -> Json:
    """The axis of a chart with a line per variant."""
    plain = {"ticks": False, "domain": False, "labelColor": INK, "labelPadding": 8}
    return {**plain, "minExtent": LABELS, **more}


def names(variant: str, naming: Naming) -> dict[str, Any]:
    """The fields for a variant's position, colour and shape."""
    return {
        "id": variant,
        "variant": naming.variant(variant),
        "model": naming.model(variant),
        "quantization": naming.quantization(variant),
    }


def _marked(name: str, mark: str, encoding: Json, **options: Any) -> Json:
    """A mark that the page's script moves where a reader sets limits."""
    options, encoding = named(options, encoding, {"value": f"={name}"})
    return layer(mark, encoding, **options)


def _point_rows(
    entries: Sequence[PlottedVariant], naming: Naming, factor: float
) -> list[dict[str, Any]]:
    def scaled(value: float | None) -> float | None:
        return None if value is None else value * factor

    return [
        {
            **names(entry.variant, naming),
            "x": scaled(entry.latency),
            "x_low": scaled(entry.latency_ends[0]),
            "x_high": scaled(entry.latency_ends[1]),
            "y": entry.score,
            "y_low": entry.score_ends[0],
            "y_high": entry.score_ends[1],
        }
        for entry in entries
    ]


def _score_scale(rows: list[dict[str, Any]], band: float) -> Json:
    """The scores' range with a small margin, so that no tick is above 100."""
    ends = [row[key] for row in rows for key in ("y", "y_low", "y_high") if row[key] is not None]
    low, high = min([*ends, band]), max(ends)
    room = 0.05 * (high - low)
    return {"domain": [low - room, high + room], "nice": False}


def frontier(
    entries: Sequence[PlottedVariant], naming: Naming, title: str, score_title: str, margin: float
) -> Json | None:
    """Score (points) against median latency, both with intervals, and the Pareto line.

    The band contains the scores within `margin` points of the best; a ring marks the fastest in it.
    """
    entries = [entry for entry in entries if entry.score is not None]
    if not entries:
        return None
    factor, unit = time_unit(max(entry.latency for entry in entries))
    rows = _point_rows(entries, naming, factor)
    x = log_x(
        "x",
        [row[key] for row in rows for key in ("x", "x_low", "x_high")],
        f"Median {unit} per request (log scale)",
    )
    right = x["scale"]["domain"][1]
    everyone = points(entries)
    line = [{"x": point.latency * factor, "y": point.score} for point in front(everyone)]
    line.append({"x": right, "y": line[-1]["y"]})
    top, chosen = best(everyone), fastest_within(everyone, margin)
    assert top is not None  # entries is not empty
    assert chosen is not None
    y = quantitative("y", title=score_title, scale=_score_scale(rows, top.score - margin))
    tint, form = (style(naming, [entry.variant for entry in entries]) for style in (colour, shape))
    here = {"x": x, "y": y}
    across = {"x": quantitative("x_low"), "x2": {"field": "x_high"}, "y": y, "color": tint}
    along = {"x": x, "y": quantitative("y_low"), "y2": {"field": "y_high"}, "color": tint}
    bar = {"opacity": 0.55, "strokeWidth": 1.5}
    dashes: Json = {"strokeDash": [4, 3], "strokeWidth": 1.5}
    layers = [
        layer("rect", {"y": y, "y2": {"field": "y2"}}, color=FAINT, opacity=0.6)
        | data([{"y": top.score - margin, "y2": top.score}]),
        _marked("front", "line", here, interpolate="step-after", color=QUIET, **dashes)
        | data(line),
        layer("rule", across, ("x_low", "x_high"), **bar),
        layer("rule", along, ("y_low", "y_high"), **bar),
        layer(
            "point", {**here, "color": tint, "shape": form},
            filled=True, opacity=1, size=85, stroke="white", strokeWidth=0.8,
        ),
        _marked(
            "ring", "point", here,
            filled=False, opacity=1, size=330, color=INK, strokeWidth=1.6, shape="circle",
        )
        | data([{"x": chosen.latency * factor, "y": chosen.score}]),
    ]  # fmt: skip
    chart = {"layer": layers, **data(rows), "width": WIDTH, "height": 250}
    called = naming.variant if naming.several_models else naming.quantization
    ring = f"Ring, fastest within {margin:g} points: {called(chosen.name)}"
    return finished(chart, title, ["Up and left is better; dashes: Pareto line", ring])


def distributions(entries: Sequence[PlottedVariant], naming: Naming, title: str) -> Json | None:
    """Box plots: whiskers at the 5th and 95th percentiles, box of the middle half, median tick."""
    order = [naming.variant(entry.variant) for entry in entries]
    panels = []
    for time in figures.per_request():
        known = [(entry, q) for entry in entries if (q := entry.quantiles.get(time.column))]
        if not known:
            continue
        factor, unit = time_unit(max(q["p95"] for _, q in known))
        rows = [
            {**names(entry.variant, naming), **{name: value * factor for name, value in q.items()}}
            for entry, q in known
        ]
        ends = [row[name] for row in rows for name in ("p5", "p95")]
        x = log_x("p5", ends, f"{time.title}, {unit} (log scale)")
        y = nominal("variant", sort=order, title=None, axis=variants_axis(grid=False))
        tint = colour(naming, [], legend=False)
        line = {"x": x, "x2": {"field": "p95"}, "y": y, "color": tint}
        box = {"x": quantitative("p25"), "x2": {"field": "p75"}, "y": y, "color": tint}
        middle = {"x": quantitative("p50"), "y": y, "color": {"value": "white"}}
        layers = [
            layer("rule", line, strokeWidth=1.5),
            layer("bar", box, height=9, cornerRadius=2),
            layer("tick", middle, color="white", thickness=2, height=9),
        ]
        size = {"width": WIDTH - 90, "height": {"step": 19}}
        panels.append({"layer": layers, **data(rows), **size})
    if not panels:
        return None
    chart = {"vconcat": panels, "spacing": 16}
    return finished(chart, title, "Line 5–95 %, box 25–75 %, gap: median")
