"""Accuracy by groups of the questions, such as the subjects and categories of MMLU."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from frontier.errors import UserError, did_you_mean
from frontier.scorers import PROPORTION, Metric, ScoredItem
from frontier.stats.bootstrap import bootstrap, mean, ratio
from frontier.stats.intervals import Estimate, wilson
from frontier.stats.jackknife import jackknife, logit_up_to
from frontier.stats.serial import Floats

MOST_COLUMNS = 12
"""Groups that have a metric each; the accuracy of more is among the details only."""


def proportion(credits: Floats) -> Estimate:
    """The mean of scores: Wilson's interval if all are 1 or 0, else the bootstrap's."""
    if np.isin(credits, (0, 1)).all():
        return wilson(int(credits.sum()), len(credits))
    return bootstrap(mean, credits.reshape(-1, 1))


def metrics(
    items: Sequence[ScoredItem],
    credits: Floats,
    macro: str | None,
    by: str | None,
    name: str = "accuracy",
) -> tuple[dict[str, Metric], dict[str, Any]]:
    """The metrics of groups, and details: of the mean over the groups of the field `macro`, and of
    each group of the field `by`. `name`: that of the mean.

    Raises UserError with the nearest name for an unknown field.
    """
    found: dict[str, Metric] = {}
    details: dict[str, Any] = {}
    if macro:
        found[f"macro_{name}"] = _macro(credits, _groups(items, macro))
    if by:
        further, details[by] = _each(credits, _groups(items, by), name)
        found |= further
    return found, details


def _macro(credits: Floats, groups: Sequence[str]) -> Metric:
    """The unweighted mean over the groups of the mean score in each.

    As a ratio of totals over the questions, each weighted by one over its group's size.
    """
    sizes = Counter(groups)
    weights = np.array([1 / sizes[group] for group in groups])
    totals = np.column_stack([credits * weights, weights])
    return Metric.of(jackknife(ratio, totals, scale=logit_up_to(1)).estimate, PROPORTION)


def _each(
    credits: Floats, groups: Sequence[str], name: str
) -> tuple[dict[str, Metric], dict[str, dict[str, float | int | None]]]:
    """The mean score in each group: metrics of a few groups, details of all."""
    metrics, details = {}, {}
    for group in sorted({*groups}):
        own = credits[[one == group for one in groups]]
        found = proportion(own)
        ends = {"low": found.low, "high": found.high}
        details[group] = {"requests": len(own), name: found.value, **ends}
        metrics[column(name, group)] = Metric.of(found, PROPORTION)
    few = len(details) == len(metrics) <= MOST_COLUMNS
    return (metrics if few else {}), details


def _groups(items: Sequence[ScoredItem], field: str) -> list[str]:
    """The group of each item."""
    for item in items:
        if field not in item.fields:
            hint = did_you_mean(field, item.fields)
            raise UserError(f"scorer: rows have no field {field!r}{hint}")
    return [item.fields[field] for item in items]


def column(metric: str, group: str) -> str:
    """The metric of a group."""
    return f"{metric}_{re.sub('[^a-z0-9]+', '_', group.lower()).strip('_')}"[:60]
