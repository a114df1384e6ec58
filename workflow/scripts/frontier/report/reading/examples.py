"""Examples of what was generated, from the cells' requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from frontier.report.deciding.findings import Group, comparable, point
from frontier.report.deciding.pareto import Point
from frontier.report.naming import Naming
from frontier.report.reading.gather import Cells
from frontier.results.layout import requests_of
from frontier.results.outputs import read_requests
from frontier.text import visible


@dataclass(frozen=True)
class Example:
    """One request with some variants' answers; control characters visible, HTML not escaped."""

    id: str
    input: str
    reference: str
    answers: list[tuple[str, str, float | None]]  # variant's label, prediction, score


EXAMPLES = 4
SHOWN_VARIANTS = 4


def examples(group: Group, cells: Cells, naming: Naming) -> list[Example]:
    """Requests of one group with the answers of up to four variants.

    The first two of the sample, then two on which the variants' scores differ, if there are any.
    The variants: the best and the worst by score, the fastest, and the next best.
    """
    rows = {row["variant"]: row for row in group.rows if comparable(row)}
    known = {variant: point(row) for variant, row in rows.items()}
    scored = [Point(variant, one.latency, one.score) for variant, one in known.items()]
    by_score = sorted(scored, key=lambda point: (-point.score, point.name))
    fastest = min(scored, key=lambda point: point.latency)
    wanted = [by_score[0], by_score[-1], fastest, *by_score[1:]]
    chosen = set(list(dict.fromkeys(point.name for point in wanted))[:SHOWN_VARIANTS])
    variants = [variant for variant in rows if variant in chosen]
    frames = {}
    for variant in variants:
        path = requests_of(cells.paths[group.task, group.scenario, group.device, variant])
        frames[variant] = read_requests(path, ["id", "input", "reference", "prediction", "score"])
    scores = pl.concat([frame.select("id", "score") for frame in frames.values()])
    spread = scores.group_by("id", maintain_order=True).agg(
        (pl.col("score").max() - pl.col("score").min()).alias("spread")
    )
    first = spread["id"].head(EXAMPLES // 2).to_list()
    # A stable sort, so that of equals the first of the sample comes first.
    apart = spread.filter(pl.col("spread") > 0, ~pl.col("id").is_in(first))
    apart = apart.sort("spread", descending=True, maintain_order=True)
    shown = first + apart["id"].head(EXAMPLES - len(first)).to_list()
    return [_example(id_, frames, naming) for id_ in shown]


def _example(id_: str, frames: Mapping[str, pl.DataFrame], naming: Naming) -> Example:
    asked, reference, answers = "", "", []
    for variant, frame in frames.items():
        for row in frame.filter(pl.col("id") == id_).head(1).iter_rows(named=True):
            asked, reference = visible(row["input"]), visible(row["reference"])
            answers.append((naming.variant(variant), visible(row["prediction"]), row["score"]))
    return Example(visible(id_, 80), asked, reference, answers)
