"""The report: charts and tables in one self-contained page of HTML."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateNotFound
from markupsafe import Markup

from frontier import figures, words
from frontier.errors import UserError
from frontier.report.deciding import cap_variants
from frontier.report.deciding.findings import Group, comparable, recommendations, score_title
from frontier.report.deciding.verdicts import Verdicts, verdicts
from frontier.report.drawing import (
    captions,
    change_chart,
    charts,
    length_charts,
    load_charts,
    rating_chart,
    svg,
)
from frontier.report.naming import Naming, RenderSpec
from frontier.report.reading.examples import Example, examples
from frontier.report.reading.gather import Cells
from frontier.report.writing import (
    cell_tables,
    filters,
    interactive,
    length_tables,
    load_tables,
    tables,
)
from frontier.report.writing.adopted import adopted_cells
from frontier.report.writing.alone import answers
from frontier.report.writing.balance import balance
from frontier.report.writing.conditions import conditions
from frontier.report.writing.judged import HEADINGS, judged_tables
from frontier.report.writing.machines import machines
from frontier.report.writing.metrics_tables import metrics_tables
from frontier.report.writing.policy import with_policy
from frontier.report.writing.references import reference
from frontier.report.writing.servers import servers
from frontier.results import layout
from frontier.results.columns import COMPARISONS, OUTCOMES, metric_columns
from frontier.results.rating_columns import RATINGS
from frontier.tables.study import columns
from frontier.text import visible

Draw = Callable[[Group, str], dict[str, Any] | None]


@dataclass(frozen=True)
class RenderedChart:
    """A chart: its names, its SVG as a file and in the page, and its words."""

    name: str
    place: str
    task: str
    title: str
    description: str
    svg: str
    inline: Markup
    caption: str


def _labels(group: Group, naming: Naming) -> tuple[str, str]:
    """The labels of a group's task, with the scenario if there are several, and device."""
    return naming.task(group.task, group.scenario), naming.devices.label(group.device)


def draw(groups: Sequence[Group], naming: Naming, margin: float) -> dict[str, list[RenderedChart]]:
    """All charts by kind, in order of display."""

    def frontier(group: Group, title: str) -> dict[str, Any] | None:
        if not any(map(comparable, group.rows)):
            return None
        named = score_title(group.rows)
        return charts.frontier(group.entries, naming, title, named, margin)

    kinds: dict[str, tuple[Draw, Callable[[Group, Naming], str]]] = {
        "frontier": (frontier, captions.frontier),
        "distributions": (
            lambda group, title: charts.distributions(group.entries, naming, title),
            captions.distributions,
        ),
        "quantization": (
            lambda group, title: change_chart.quantization(group.comparisons, naming, title),
            captions.quantization,
        ),
        "ratings": (
            lambda group, title: rating_chart.chart(group.ratings, naming, title),
            captions.ratings,
        ),
        "load": (
            lambda group, title: load_charts.latency(group.loads, naming, title),
            captions.load,
        ),
        "throughput": (
            lambda group, title: load_charts.throughput(group.loads, naming, title),
            captions.throughput,
        ),
        "lengths": (
            lambda group, title: length_charts.lengths(group.lengths, naming, title),
            captions.lengths,
        ),
    }
    drawn: dict[str, list[RenderedChart]] = {kind: [] for kind in kinds}
    for group in groups:
        task, device = _labels(group, naming)
        for kind, (chart, caption) in kinds.items():
            title = f"{task} · {device}"
            shown = group if kind == "frontier" else cap_variants.cap_variants(group)
            figure = chart(shown, title)
            if figure is None:
                continue
            name = layout.chart(kind, group.file, group.device)
            image = svg.render(figure)
            described = captions.described(kind, shown, naming, margin)
            named = f"{kind}: {title}"
            inline = Markup(svg.described(image, name, named, described))
            line = caption(shown, naming) + cap_variants.omission_note(shown, group)
            drawn[kind].append(
                RenderedChart(name, group.place, task, named, described, image, inline, line)
            )
    return drawn


def _examples(
    groups: Sequence[Group], cells: Cells, naming: Naming
) -> list[tuple[str, str, list[Example]]]:
    """Examples for each task from the first device and scenario in which it was measured."""
    shown: dict[str, tuple[str, str, list[Example]]] = {}
    for group in groups:
        if any(map(comparable, group.rows)) and group.task not in shown:
            shown[group.task] = (*_labels(group, naming), examples(group, cells, naming))
    return list(shown.values())


def _changes(
    groups: Sequence[Group], naming: Naming
) -> list[tuple[str, str, str, Verdicts, list[cell_tables.Change]]]:
    """The task, device, place, verdicts and figures of each group with comparisons."""
    tests = sum(row["p"] is not None for group in groups for row in group.comparisons)
    return [
        (
            *_labels(group, naming),
            group.place,
            verdicts(group, naming, tests),
            cell_tables.changes(group, naming),
        )
        for group in groups
        if group.comparisons
    ]


def page(
    spec: RenderSpec,
    naming: Naming,
    groups: Sequence[Group],
    cells: Cells,
    drawn: Mapping[str, list[RenderedChart]],
    template: Path,
) -> str:
    """The report's HTML from the folder `template`, which holds its template and script.

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
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":")}
    rows = [row for group in groups for row in group.rows]
    script_data = interactive.data(spec, naming, groups, cells)
    counted = Counter(row["outcome"] for row in rows)
    html: str = loaded.render(
        title=visible(spec.title),
        note=visible(spec.note, 2000),
        margin=f"{spec.margin:g}",
        counts=[(counted[name], name.replace("-", " ")) for name in OUTCOMES if counted[name]],
        sizes=(len(naming.variants), len(naming.devices.ids), len(naming.tasks.ids)),
        scenarios=captions.scenarios(naming),
        arrival=captions.arrival(naming),
        recommendations=recommendations(groups, naming, spec.margin),
        drawn=drawn,
        script=interactive.script(template),
        script_data=script_data,
        decide=interactive.controls(script_data),
        speed=tables.speed_grids(groups, naming, spec.margin),
        score=tables.score_grids(groups, naming, spec.margin),
        balance=balance(groups, naming, spec.weights.share),
        metrics=metrics_tables(groups, cells, naming),
        judged=judged_tables(groups, naming),
        judged_headings=HEADINGS,
        loads=load_tables.load_tables(groups, naming),
        load_headings=load_tables.HEADINGS,
        lengths=length_tables.length_tables(groups, naming),
        length_headings=length_tables.HEADINGS,
        changes=_changes(groups, naming),
        reference=reference(groups, naming, spec.study.reference if spec.study else None),
        alone=answers(groups, naming),
        headings=[heading.title for heading in cell_tables.headings()],
        filters=filters.available(naming, [name for name in OUTCOMES if counted[name]]),
        cells=[
            (
                *_labels(group, naming),
                filters.of_table(group, naming),
                group.place,
                cell_tables.cell_rows(group, naming),
            )
            for group in groups
        ],
        machines=machines(groups, cells, naming),
        servers=servers(groups, cells, naming),
        adopted=adopted_cells(groups, cells.adopted, naming),
        examples=_examples(groups, cells, naming),
        conditions=conditions(cells.provenance, naming.devices),
        notes=[
            (axis.label(id_), axis.notes[id_])
            for axis in (naming.models, naming.quantizations, naming.tasks)
            for id_ in axis.ids
            if id_ in axis.notes
        ],
        outcomes=OUTCOMES,
        latencies=[figure.DEFINITION for figure in figures.in_order() if figure.DEFINITION],
        glossaries=[
            ("study", tables.glossary((*columns(), *metric_columns(cells.metrics)))),
            ("comparisons", tables.glossary(COMPARISONS)),
            *(
                [("ratings", tables.glossary(RATINGS))]
                if any(one.ratings for one in groups)
                else []
            ),
        ],
    )
    return with_policy(html)
