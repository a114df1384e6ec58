"""The chart of the changes by each quantization, for one task on one device, as Vega-Lite."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from frontier.report.drawing.charts import (
    WIDTH,
    data,
    finished,
    layer,
    names,
    variants_axis,
)
from frontier.report.drawing.style import QUIET, Json, colour, nominal, quantitative, shape
from frontier.report.naming import Naming, techniques
from frontier.results.columns import StudyRow


def _panel(
    rows: list[dict[str, Any]],
    naming: Naming,
    order: list[str],
    title: str,
    rule: float,
    labels: bool,
) -> Json:
    """One column of the quantization chart: field `value` with `low` and `high`."""
    axis = variants_axis(grid=True, labels=labels, **({} if labels else {"minExtent": 0}))
    y = nominal("variant", sort=order, title=None, scale={"domain": order}, axis=axis)
    ticks = {"tickCount": 3, "format": "~r", "labelOverlap": "greedy", "labelSeparation": 10}
    x = quantitative("value", title=title, scale={"zero": False, "padding": 9}, axis=ticks)
    tint, form = (style(naming, [], legend=False) for style in (colour, shape))
    ends = {"x": quantitative("low"), "x2": {"field": "high"}, "y": y, "color": tint}
    point = {"x": x, "y": y, "color": tint, "shape": form}
    layers = [
        layer("rule", {"x": x}, color=QUIET) | data([{"value": rule}]),
        layer("rule", ends, ("low", "high"), strokeWidth=1.5, opacity=0.55),
        layer("point", point, filled=True, size=80, opacity=1),
    ]
    size = {"width": (WIDTH - 80) / 3, "height": {"step": 21}}
    return {"layer": layers, **data(rows), **size}


def compared_with(changes: Sequence[StudyRow]) -> str:
    """The chart's subtitle."""
    parent = "the variant without it" if any(map(techniques, changes)) else "the native model"
    return f"Change and ratios against {parent}"


def quantization(changes: Sequence[StudyRow], naming: Naming, title: str) -> Json | None:
    """The change of the score in points, with latency and bytes as multiples of the native model's.

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
    return finished({"hconcat": panels, "spacing": 14}, title, compared_with(changes))
