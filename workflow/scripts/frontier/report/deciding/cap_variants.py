"""A limit on the variants in charts that have a line per variant."""

from __future__ import annotations

import math
from dataclasses import replace

from frontier.report.deciding.entries import points
from frontier.report.deciding.findings import Group
from frontier.report.deciding.pareto import front
from frontier.results.columns import StudyRow

MOST = 60


def cap_variants(group: Group) -> Group:
    """The group, reduced to the cells of its MOST best variants if it has more, in the same order.

    Best are those on the Pareto line, then those with the highest scores.
    """
    if max(len(group.entries), len(group.comparisons)) <= MOST:
        return group
    line = {point.name for point in front(points(group.entries))}

    def rank(row: StudyRow) -> tuple[bool, float]:
        score = -math.inf if row["score"] is None else row["score"]
        return row["variant"] not in line, -score

    best = {row["variant"] for row in sorted(group.rows, key=rank)[:MOST]}
    return replace(
        group,
        entries=[entry for entry in group.entries if entry.variant in best],
        comparisons=[row for row in group.comparisons if row["variant"] in best],
        lengths={variant: one for variant, one in group.lengths.items() if variant in best},
    )


def omission_note(shown: Group, group: Group) -> str:
    """A note below a chart that shows only some of a group; empty if it shows all."""
    if shown is group:
        return ""
    return (
        f" Shows {MOST} of its {len(group.rows)} variants: those on the Pareto line, then the "
        "best by score. The tables have all of them."
    )
