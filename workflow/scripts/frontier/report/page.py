"""The report: charts drawn, tables filled, and one page of HTML that needs nothing else."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateNotFound
from markupsafe import Markup

from frontier.columns import LATENCIES, OUTCOMES
from frontier.errors import UserError
from frontier.report import charts, svg, tables, words
from frontier.report.charts import Entry
from frontier.report.findings import Group, answers, score_title
from frontier.report.gather import Cells, Example, Provenance, examples
from frontier.report.naming import Axis, Naming, RenderSpec
from frontier.report.pareto import fastest_within, front

Draw = Callable[[Group, str], dict[str, Any] | None]


@dataclass(frozen=True)
class Drawing:
    """A chart: its file's name, the SVG as drawn and as it stands in the page, and its line."""

    name: str
    task: str
    svg: str
    inline: Markup
    caption: str


def _requests(group: Group) -> str:
    counts = sorted({row["requests"] for row in group.rows if row["requests"]})
    shown = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return f"{shown} requests a variant, one at a time, greedy decoding, after warm-up"


def _frontier_caption(group: Group) -> str:
    return (
        f"{_requests(group)}; latency and score come from the same generations. Lines through a "
        "point: 95 % intervals. Does not show: speed with several requests at once, memory, or "
        "whether two variants with overlapping intervals differ (they share their requests)."
    )


def _distributions_caption(group: Group) -> str:
    return (
        f"{_requests(group)}; times of every token by a monotonic clock, the device synchronized, "
        "tokenization in the end-to-end time. Does not show: the slowest and fastest 5 %, drift "
        "during the run, or that longer answers take longer."
    )


def _quantization_caption(group: Group) -> str:
    unknown = all(
        entry.score_change is None or entry.score_change.low is None for entry in group.entries
    )
    no_interval = " A score over the whole corpus gets no paired interval here." if unknown else ""
    return (
        f"{_requests(group)}, the same ones for both; lines: 95 % intervals of the paired "
        f"bootstrap.{no_interval} Weights: bytes stored. Does not show: quality on other "
        "tasks, or what another engine would make of the same quantization."
    )


def _figures(entry: Entry, naming: Naming) -> str:
    latency = words.seconds(entry.point.latency)
    return f"{naming.variant(entry.variant)} ({latency}, {entry.point.score:.1f})"


def _described(kind: str, group: Group, naming: Naming, margin: float) -> str:
    """What a chart shows, in words, for whoever cannot see it."""
    if kind == "frontier":
        line = {point.name for point in front(entry.point for entry in group.entries)}
        on_it = [entry for entry in group.entries if entry.variant in line]
        on_it.sort(key=lambda entry: entry.point.latency)
        chosen = fastest_within((entry.point for entry in group.entries), margin)
        named = naming.variant(chosen.name) if chosen else "none"
        told = "; ".join(_figures(entry, naming) for entry in on_it)
        return f"On the Pareto line, fastest first: {told}. Fastest within {margin:g}: {named}."
    if kind == "distributions":
        told = "; ".join(_figures(entry, naming) for entry in group.entries)
        return f"Quantiles of the latency of each variant. Median and score: {told}."
    told = "; ".join(
        f"{naming.variant(entry.variant)}: {words.signed(entry.score_change.value)} points, "
        f"{words.ratio(entry.latency_ratio.value)} the latency"
        for entry in group.entries
        if entry.latency_ratio and entry.score_change and entry.score_change.value is not None
    )
    return f"Change against the native model. {told}."


def draw(groups: Sequence[Group], naming: Naming, margin: float) -> dict[str, list[Drawing]]:
    """All charts by kind, in order of display."""

    def frontier(group: Group, title: str) -> dict[str, Any] | None:
        named = score_title(group.rows)
        return charts.frontier(group.entries, naming, title, named, margin)

    kinds: dict[str, tuple[Draw, Callable[[Group], str]]] = {
        "frontier": (frontier, _frontier_caption),
        "distributions": (
            lambda group, title: charts.distributions(group.entries, naming, title),
            _distributions_caption,
        ),
        "quantization": (
            lambda group, title: charts.quantization(group.entries, naming, title),
            _quantization_caption,
        ),
    }
    drawn: dict[str, list[Drawing]] = {kind: [] for kind in kinds}
    for group in groups:
        if not group.entries:
            continue
        task, device = naming.tasks.label(group.task), naming.devices.label(group.device)
        for kind, (chart, caption) in kinds.items():
            title = f"{task} · {device}"
            made = chart(group, title)
            if made is None:
                continue
            name = re.sub(r"[^\w.-]", "_", f"{kind}-{group.task}-{group.device}")
            image = svg.render(made)
            described = _described(kind, group, naming, margin)
            inline = Markup(svg.described(image, name, f"{kind}: {title}", described))
            drawn[kind].append(Drawing(name, task, image, inline, caption(group)))
    return drawn


def _conditions(provenance: Mapping[str, Provenance], devices: Axis) -> list[dict[str, Any]]:
    """How each device measured: each distinct set of conditions, flattened to name and text."""
    return [
        {
            "device": devices.label(device),
            "note": devices.notes.get(device),
            "sets": {
                name: [
                    tables.flat(value, "" if isinstance(value, dict) else name)
                    for value in found.values()
                ]
                for name, found in provenance[device].conditions.items()
                if found
            },
            "ranges": {
                name: words.interval(sorted(set(ends)))
                for name, ends in provenance[device].ranges.items()
            },
            "cells": provenance[device].cells,
        }
        for device in devices.ids
        if device in provenance
    ]


def _examples(
    groups: Sequence[Group], cells: Cells, naming: Naming
) -> list[tuple[str, str, list[Example]]]:
    """For each task, examples from the first device on which it was measured."""
    shown: dict[str, tuple[str, str, list[Example]]] = {}
    for group in groups:
        if group.entries and group.task not in shown:
            task, device = naming.tasks.label(group.task), naming.devices.label(group.device)
            shown[group.task] = (task, device, examples(group, cells, naming))
    return list(shown.values())


def page(
    spec: RenderSpec,
    naming: Naming,
    groups: Sequence[Group],
    cells: Cells,
    drawn: Mapping[str, list[Drawing]],
    template: Path,
) -> str:
    """The report's HTML from the folder `template`, which holds report.html.j2 and report.css.

    Everything but the charts' SVG goes through the template's escaping.
    """
    environment = Environment(
        loader=FileSystemLoader(template),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["unbroken"] = words.unbroken
    try:
        loaded = environment.get_template("report.html.j2")
    except TemplateNotFound:
        raise UserError(f"{template}: no report.html.j2 in it") from None
    rows = [row for group in groups for row in group.rows]
    counted = Counter(row["outcome"] for row in rows)
    html: str = loaded.render(
        title=words.visible(spec.title),
        note=words.visible(spec.note, 2000),
        margin=f"{spec.margin:g}",
        counts=[(counted[name], name.replace("-", " ")) for name in OUTCOMES if counted[name]],
        sizes=(len(naming.variants), len(naming.devices.ids), len(naming.tasks.ids)),
        answers=answers(groups, naming, spec.margin),
        drawn=drawn,
        latency=tables.latency_grid(groups, naming, spec.margin),
        score=tables.score_grid(groups, naming, spec.margin),
        changes=tables.changes(groups, naming),
        headings=list(tables.FACTS),
        cells=[
            (
                naming.tasks.label(group.task),
                naming.devices.label(group.device),
                tables.cell_rows(group, naming),
            )
            for group in groups
        ],
        examples=_examples(groups, cells, naming),
        conditions=_conditions(cells.provenance, naming.devices),
        notes=[
            (axis.label(id_), axis.notes[id_])
            for axis in (naming.models, naming.quantizations, naming.tasks)
            for id_ in axis.ids
            if id_ in axis.notes
        ],
        outcomes=OUTCOMES,
        latencies=[what for _, what in LATENCIES.values()],
        glossary=tables.glossary(cells.metrics),
    )
    return html
