"""The chart of ratings by a judge, for one task on one device, as Vega-Lite."""

from __future__ import annotations

from collections.abc import Sequence

from frontier.report.drawing.charts import WIDTH, data, finished, layer, names, variants_axis
from frontier.report.drawing.style import QUIET, Json, colour, nominal, quantitative, shape
from frontier.report.naming import Naming
from frontier.results.columns import StudyRow

MEAN = 1000.0
"""The mean of all ratings."""


def rated(ratings: Sequence[StudyRow], naming: Naming) -> list[StudyRow]:
    """The rows with a rating of the study's variants, best first."""
    known = [row for row in ratings if row["rating"] is not None and naming.knows(row["variant"])]
    return sorted(known, key=lambda row: -row["rating"])


def chart(ratings: Sequence[StudyRow], naming: Naming, title: str) -> Json | None:
    """Each variant's rating with its interval; `ratings` are rows of ratings.parquet."""
    shown = rated(ratings, naming)
    if len({(row["judge"], row["judge_device"], row["form"]) for row in shown}) != 1:
        return None  # ratings by two judges do not compare
    rows = [
        {
            **names(row["variant"], naming),
            **{"value": row["rating"], "low": row["rating_low"], "high": row["rating_high"]},
        }
        for row in shown
    ]
    order = list(dict.fromkeys(str(row["variant"]) for row in rows))
    y = nominal(
        "variant", sort=order, title=None, scale={"domain": order}, axis=variants_axis(grid=True)
    )
    ticks = {"format": "d", "tickCount": 5}
    x = quantitative("value", title="Rating", scale={"zero": False, "padding": 9}, axis=ticks)
    tint, form = (style(naming, [], legend=False) for style in (colour, shape))
    ends = {"x": quantitative("low"), "x2": {"field": "high"}, "y": y, "color": tint}
    layers = [
        layer("rule", {"x": x}, color=QUIET) | data([{"value": MEAN}]),
        layer("rule", ends, ("low", "high"), strokeWidth=1.5, opacity=0.55),
        layer(
            "point", {"x": x, "y": y, "color": tint, "shape": form},
            filled=True, size=80, opacity=1,
        ),
    ]  # fmt: skip
    built = {"layer": layers, **data(rows), "width": WIDTH, "height": {"step": 21}}
    return finished(built, title, "Right is better; lines: 95 % intervals; 1000: the mean")
