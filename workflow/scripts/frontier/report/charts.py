"""The charts of latencies and scores, each for one task on one device, as Vega-Lite.

Rows are the study's (see frontier.columns). A chart is None where it would be empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from frontier.report.distributions import FIGURES
from frontier.report.naming import Naming
from frontier.report.pareto import Point, best, fastest_within, front
from frontier.report.style import CONFIG, FAINT, INK, LEGENDS, QUIET, colour, log_x, shape
from frontier.report.words import time_unit

WIDTH = 350
LABELS = 115  # least room for the variants' names, so that charts of a kind are equally wide
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Entry:
    """A variant with times: median seconds, score in points if it has one, requests' quantiles."""

    variant: str
    latency: float
    score: float | None
    latency_ends: tuple[float | None, float | None]
    score_ends: tuple[float | None, float | None]
    quantiles: Mapping[str, Mapping[str, float] | None]


def points(entries: Iterable[Entry]) -> list[Point]:
    """The entries that have a score, as points named by their variants."""
    return [
        Point(entry.variant, entry.latency, entry.score)
        for entry in entries
        if entry.score is not None
    ]


def data(rows: Iterable[Row]) -> alt.Data:
    """Rows as a chart's own data."""
    return alt.Data(values=[dict(row) for row in rows])


def finished(chart: Any, title: str, subtitle: str | list[str]) -> dict[str, Any]:
    """A chart with its title and the report's settings, as Vega-Lite."""
    titled = chart.properties(title=alt.TitleParams(text=title, subtitle=subtitle))
    made: dict[str, Any] = titled.configure(**CONFIG).to_dict()
    made["config"]["legend"]["layout"] = LEGENDS
    return made


def names(variant: str, naming: Naming) -> dict[str, Any]:
    """The fields by which a variant is placed, coloured and shaped."""
    return {
        "variant": naming.variant(variant),
        "model": naming.model(variant),
        "quantization": naming.quantization(variant),
    }


def _point_rows(entries: Sequence[Entry], naming: Naming, factor: float) -> list[dict[str, Any]]:
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


def _score_scale(rows: list[dict[str, Any]], band: float) -> alt.Scale:
    """From the lowest end to the highest with little room, so that no tick stands above 100."""
    ends = [row[key] for row in rows for key in ("y", "y_low", "y_high") if row[key] is not None]
    low, high = min([*ends, band]), max(ends)
    room = 0.05 * (high - low)
    return alt.Scale(domain=[low - room, high + room], nice=False)


def frontier(
    entries: Sequence[Entry], naming: Naming, title: str, score_title: str, margin: float
) -> dict[str, Any] | None:
    """Score (points) against median latency, both with intervals, and the Pareto line.

    The band holds the scores within `margin` points of the best; the ring is on the fastest in it.
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
    right = x.to_dict()["scale"]["domain"][1]
    everyone = points(entries)
    line = [{"x": point.latency * factor, "y": point.score} for point in front(everyone)]
    line.append({"x": right, "y": line[-1]["y"]})
    top, chosen = best(everyone), fastest_within(everyone, margin)
    assert top is not None  # entries is not empty
    assert chosen is not None
    y = alt.Y("y:Q", title=score_title, scale=_score_scale(rows, top.score - margin))
    tint = colour(naming, [entry.variant for entry in entries])
    base = alt.Chart(data(rows)).encode(color=tint)
    band = alt.Chart(data([{"y": top.score - margin, "y2": top.score}]))
    layers = [
        band.mark_rect(color=FAINT, opacity=0.6).encode(y=y, y2="y2:Q"),
        alt.Chart(data(line))
        .mark_line(interpolate="step-after", color=QUIET, strokeWidth=1.5, strokeDash=[4, 3])
        .encode(x=x, y=y),
        base.mark_rule(opacity=0.55, strokeWidth=1.5)
        .encode(x=alt.X("x_low:Q"), x2="x_high:Q", y=y)
        .transform_filter("datum.x_low != null && datum.x_high != null"),
        base.mark_rule(opacity=0.55, strokeWidth=1.5)
        .encode(x=x, y=alt.Y("y_low:Q"), y2="y_high:Q")
        .transform_filter("datum.y_low != null && datum.y_high != null"),
        base.mark_point(filled=True, opacity=1, size=85, stroke="white", strokeWidth=0.8).encode(
            x=x, y=y, shape=shape(naming, [entry.variant for entry in entries])
        ),
        alt.Chart(data([{"x": chosen.latency * factor, "y": chosen.score}]))
        .mark_point(shape="circle", size=330, color=INK, strokeWidth=1.6, filled=False, opacity=1)
        .encode(x=x, y=y),
    ]
    chart = alt.layer(*layers).properties(width=WIDTH, height=250)
    called = naming.variant if naming.several_models else naming.quantization
    ring = f"Ring, fastest within {margin:g} points: {called(chosen.name)}"
    return finished(chart, title, ["Up and left is better; dashes: Pareto line", ring])


def distributions(entries: Sequence[Entry], naming: Naming, title: str) -> dict[str, Any] | None:
    """Whiskers from the 5th to the 95th percentile, box of the middle half, tick at the median."""
    order = [naming.variant(entry.variant) for entry in entries]
    panels = []
    for figure, called in FIGURES.items():
        known = [(entry, q) for entry in entries if (q := entry.quantiles.get(figure))]
        if not known:
            continue
        factor, unit = time_unit(max(q["p95"] for _, q in known))
        rows = [
            {**names(entry.variant, naming), **{name: value * factor for name, value in q.items()}}
            for entry, q in known
        ]
        ends = [row[name] for row in rows for name in ("p5", "p95")]
        x = log_x("p5", ends, f"{called}, {unit} (log scale)")
        y = alt.Y(
            "variant:N",
            sort=order,
            title=None,
            axis=alt.Axis(
                ticks=False,
                domain=False,
                grid=False,
                labelColor=INK,
                labelPadding=8,
                minExtent=LABELS,
            ),
        )
        base = alt.Chart(data(rows)).encode(y=y, color=colour(naming, [], legend=False))
        panels.append(
            alt.layer(
                base.mark_rule(strokeWidth=1.5).encode(x=x, x2="p95:Q"),
                base.mark_bar(height=9, cornerRadius=2).encode(x=alt.X("p25:Q"), x2="p75:Q"),
                base.mark_tick(color="white", thickness=2, height=9).encode(
                    x="p50:Q", color=alt.value("white")
                ),
            ).properties(width=WIDTH - 90, height=alt.Step(19))
        )
    if not panels:
        return None
    chart = alt.vconcat(*panels, spacing=16)
    return finished(chart, title, "Line 5–95 %, box 25–75 %, gap: median")
