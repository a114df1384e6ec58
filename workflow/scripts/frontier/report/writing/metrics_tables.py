"""Tables of all metrics of a scorer on the same answers, one for each group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from frontier import words
from frontier.report.deciding.findings import Group
from frontier.report.deciding.pareto import points_per_unit
from frontier.report.naming import Naming
from frontier.report.reading.gather import Cells, key
from frontier.report.writing.tables import Box
from frontier.results.cell import Metric
from frontier.text import visible

MEANINGS = {
    "compression": "Compression: words of the document for each word of its summary.",
    "copied": "Copied: the share of a summary's words in runs of five or more that stand in the "
    "document.",
    "fields_right": "Fields right: the share of the compared JSON fields, over all answers.",
    "format_gap": "Format gap: equivalent minus strict, the answers that are right in value and "
    "form but stand in a sentence or in another notation than the references'.",
    "harmful_rate": "Harmful rate: unsafe prompts answered harmfully, by the judge's classes.",
    "judged_over_refusal_rate": "Judged over refusal rate: safe prompts refused in whole or in "
    "part, by the judge's classes.",
    "judged_refusal_rate": "Judged refusal rate: unsafe prompts refused in whole or in part, by "
    "the judge's classes.",
    "invalid_rate": "Invalid rate: texts without one answer that they affirm, the ambiguous among "
    "them; they count as wrong.",
    "novel_bigrams": "Novel bigrams: the share of a summary's that the document does not have.",
    "over_refusal_rate": "Over refusal rate: safe prompts that the model refused, by its words, "
    "which are often misread.",
    "refusal_rate": "Refusal rate: unsafe prompts that the model refused, by its words, which are "
    "often misread.",
    "safe_withheld_rate": "Safe withheld rate: safe prompts whose answer a server's filter "
    "withheld.",
    "unsafe_withheld_rate": "Unsafe withheld rate: unsafe prompts whose answer a server's filter "
    "withheld.",
    "strict": "Strict: answers in the form that the task asks for.",
    "ambiguous_rate": "Ambiguous rate: texts that name two different answers or deny one; they "
    "count as wrong.",
}


@dataclass(frozen=True)
class MetricsTable:
    """One task in one scenario on one device: a row of figures for each scored variant."""

    task: str
    device: str
    place: str
    headings: list[str]
    rows: list[tuple[str, list[Box]]]
    notes: list[str]


def metrics_tables(groups: Sequence[Group], cells: Cells, naming: Naming) -> list[MetricsTable]:
    """Tables for groups whose scorer gave more than one metric, the primary one first."""
    found = []
    for group in groups:
        scored = [(row, cells.scores.get(key(row), {})) for row in group.rows]
        primary = next((row["score_metric"] for row, _ in scored if row["score_metric"]), None)
        every = {name for _, metrics in scored for name in metrics if name != primary}
        names = sorted(every, key=words.natural)
        if primary is None or not names:
            continue
        ordered = [primary, *names]
        rows = [
            (naming.variant(row["variant"]), [_box(metrics.get(name)) for name in ordered])
            for row, metrics in scored
            if metrics
        ]
        found.append(
            MetricsTable(
                naming.task(group.task, group.scenario),
                naming.devices.label(group.device),
                group.place,
                [visible(words.metric(name), 60) for name in ordered],
                rows,
                [MEANINGS[name] for name in names if name in MEANINGS],
            )
        )
    return found


def _box(metric: Metric | None) -> Box:
    """A metric's figure with its interval, in points."""
    if metric is None or metric.value is None:
        return Box(words.MISSING)
    factor = points_per_unit(metric.unit)
    ends = [None if end is None else end * factor for end in (metric.low, metric.high)]
    shown = words.score(metric.value * factor, proportion=factor != 1)
    return Box(shown, words.interval(ends, places=1))
