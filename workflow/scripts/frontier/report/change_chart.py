"""The chart of what each quantization changed, for one task on one device, as Vega-Lite."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt

from frontier.report.charts import LABELS, WIDTH, Row, data, finished, names
from frontier.report.naming import Naming
from frontier.report.style import INK, QUIET, colour, shape


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
    base = alt.Chart(data(rows)).encode(y=y, color=colour(naming, [], legend=False))
    return alt.layer(
        alt.Chart(data([{"value": rule}])).mark_rule(color=QUIET).encode(x=x),
        base.mark_rule(strokeWidth=1.5, opacity=0.55)
        .encode(x=alt.X("low:Q"), x2="high:Q")
        .transform_filter("datum.low != null && datum.high != null"),
        base.mark_point(filled=True, size=80, opacity=1).encode(
            x=x, shape=shape(naming, [], legend=False)
        ),
    ).properties(width=(WIDTH - 80) / 3, height=alt.Step(21))


def quantization(changes: Sequence[Row], naming: Naming, title: str) -> dict[str, Any] | None:
    """Score change in points, latency and bytes as multiples of the native model's.

    `changes` are rows of comparisons.parquet.
    """
    if not changes:
        return None
    order = [naming.variant(row["variant"]) for row in changes]

    def rows(figure: str) -> list[dict[str, Any]]:
        return [
            {
                **names(row["variant"], naming),
                "value": row[figure],
                "low": row.get(f"{figure}_low"),
                "high": row.get(f"{figure}_high"),
            }
            for row in changes
            if row[figure] is not None
        ]

    columns = (
        ("Score, points", 0.0, "difference"),
        ("Latency, ×", 1.0, "latency_ratio"),
        ("Weights, ×", 1.0, "bytes_ratio"),
    )
    panels = [
        _panel(rows(figure), naming, order, called, rule, labels=place == 0)
        for place, (called, rule, figure) in enumerate(columns)
    ]
    chart = alt.hconcat(*panels, spacing=14)
    return finished(chart, title, "Change and ratios against the native model")
