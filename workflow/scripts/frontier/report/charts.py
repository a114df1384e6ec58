"""The report's charts, each for one task on one device, as Vega-Lite.

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
from frontier.statistics import Estimate

WIDTH = 350
LABELS = 115  # least room for the variants' names, so that charts of a kind are equally wide
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Entry:
    """A measured variant with its requests' quantiles, and what it cost against its native."""

    variant: str
    point: Point
    latency_ends: tuple[float | None, float | None]
    score_ends: tuple[float | None, float | None]
    quantiles: Mapping[str, Mapping[str, float] | None]
    score_change: Estimate | None = None
    latency_ratio: Estimate | None = None
    bytes_ratio: float | None = None


def _data(rows: Iterable[Row]) -> alt.Data:
    return alt.Data(values=[dict(row) for row in rows])


def _finished(chart: Any, title: str, subtitle: str | list[str]) -> dict[str, Any]:
    titled = chart.properties(title=alt.TitleParams(text=title, subtitle=subtitle))
    made: dict[str, Any] = titled.configure(**CONFIG).to_dict()
    made["config"]["legend"]["layout"] = LEGENDS
    return made


def _names(entry: Entry, naming: Naming) -> dict[str, Any]:
    return {
        "variant": naming.variant(entry.variant),
        "model": naming.model(entry.variant),
        "quantization": naming.quantization(entry.variant),
    }


def _point_rows(entries: Sequence[Entry], naming: Naming, factor: float) -> list[dict[str, Any]]:
    def scaled(value: float | None) -> float | None:
        return None if value is None else value * factor

    return [
        {
            **_names(entry, naming),
            "x": scaled(entry.point.latency),
            "x_low": scaled(entry.latency_ends[0]),
            "x_high": scaled(entry.latency_ends[1]),
            "y": entry.point.score,
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
    if not entries:
        return None
    factor, unit = time_unit(max(entry.point.latency for entry in entries))
    rows = _point_rows(entries, naming, factor)
    x = log_x(
        "x",
        [row[key] for row in rows for key in ("x", "x_low", "x_high")],
        f"Median {unit} per request (log scale)",
    )
    right = x.to_dict()["scale"]["domain"][1]
    points = [entry.point for entry in entries]
    line = [{"x": point.latency * factor, "y": point.score} for point in front(points)]
    line.append({"x": right, "y": line[-1]["y"]})
    top, chosen = best(points), fastest_within(points, margin)
    assert top is not None  # entries is not empty
    assert chosen is not None
    y = alt.Y("y:Q", title=score_title, scale=_score_scale(rows, top.score - margin))
    tint = colour(naming, [entry.variant for entry in entries])
    base = alt.Chart(_data(rows)).encode(color=tint)
    band = alt.Chart(_data([{"y": top.score - margin, "y2": top.score}]))
    layers = [
        band.mark_rect(color=FAINT, opacity=0.6).encode(y=y, y2="y2:Q"),
        alt.Chart(_data(line))
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
        alt.Chart(_data([{"x": chosen.latency * factor, "y": chosen.score}]))
        .mark_point(shape="circle", size=330, color=INK, strokeWidth=1.6, filled=False, opacity=1)
        .encode(x=x, y=y),
    ]
    chart = alt.layer(*layers).properties(width=WIDTH, height=250)
    ring = f"Ring, fastest within {margin:g} points: {naming.variant(chosen.name)}"
    return _finished(chart, title, ["Up and left is better; dashes: Pareto line", ring])


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
            {**_names(entry, naming), **{name: value * factor for name, value in q.items()}}
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
        base = alt.Chart(_data(rows)).encode(y=y, color=colour(naming, [], legend=False))
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
    return _finished(chart, title, "Line 5–95 %, box 25–75 %, gap: median")


def _panel(
    rows: list[dict[str, Any]],
    naming: Naming,
    order: list[str],
    title: str,
    rule: float,
    labels: bool,
) -> alt.LayerChart:
    """One column of the quantization chart: field `value` with `low` and `high`."""
    axis = alt.Axis(
        ticks=False,
        domain=False,
        grid=True,
        labelColor=INK,
        labels=labels,
        labelPadding=8,
        minExtent=LABELS if labels else 0,
    )
    y = alt.Y("variant:N", sort=order, title=None, scale=alt.Scale(domain=order), axis=axis)
    x = alt.X(
        "value:Q",
        title=title,
        scale=alt.Scale(zero=False, padding=9),
        axis=alt.Axis(tickCount=3, format="~r", labelOverlap="greedy", labelSeparation=10),
    )
    base = alt.Chart(_data(rows)).encode(y=y, color=colour(naming, [], legend=False))
    return alt.layer(
        alt.Chart(_data([{"value": rule}])).mark_rule(color=QUIET).encode(x=x),
        base.mark_rule(strokeWidth=1.5, opacity=0.55)
        .encode(x=alt.X("low:Q"), x2="high:Q")
        .transform_filter("datum.low != null && datum.high != null"),
        base.mark_point(filled=True, size=80, opacity=1).encode(
            x=x, shape=shape(naming, [], legend=False)
        ),
    ).properties(width=(WIDTH - 80) / 3, height=alt.Step(21))


def quantization(entries: Sequence[Entry], naming: Naming, title: str) -> dict[str, Any] | None:
    """Score change in points, latency and bytes as multiples of the native model's."""
    made = [entry for entry in entries if entry.latency_ratio is not None]
    if not made:
        return None
    order = [naming.variant(entry.variant) for entry in made]

    def rows(figures: Iterable[Estimate | None]) -> list[dict[str, Any]]:
        return [
            {**_names(entry, naming), "value": figure.value, "low": figure.low, "high": figure.high}
            for entry, figure in zip(made, figures, strict=True)
            if figure is not None
        ]

    columns = (
        ("Score, points", 0.0, [entry.score_change for entry in made]),
        ("Latency, ×", 1.0, [entry.latency_ratio for entry in made]),
        (
            "Weights, ×",
            1.0,
            [
                None if entry.bytes_ratio is None else Estimate(entry.bytes_ratio, None, None, "")
                for entry in made
            ],
        ),
    )
    panels = [
        _panel(rows(figures), naming, order, called, rule, labels=place == 0)
        for place, (called, rule, figures) in enumerate(columns)
    ]
    chart = alt.hconcat(*panels, spacing=14)
    return _finished(chart, title, "Change and ratios against the native model")
