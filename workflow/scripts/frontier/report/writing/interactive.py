"""The data of the report's script: candidates for a reader's limits, and each variant's story.

The script makes text of it and nothing else; all of it is in the page's tables too, but the times
by length and the requests that flipped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from frontier.errors import UserError
from frontier.report.deciding.asking import LIMITS, Option
from frontier.report.deciding.candidates import LIMITABLE, PERCENTILES, candidate
from frontier.report.deciding.findings import Group, by_task, comparable, score_text
from frontier.report.deciding.speed import speed_of
from frontier.report.naming import Naming, RenderSpec
from frontier.report.reading.flips import Flip, flips
from frontier.report.reading.gather import Cells, key
from frontier.report.reading.lengths import by_length
from frontier.report.writing.cell_tables import changes, headings
from frontier.report.writing.load_tables import load_rows
from frontier.results.columns import StudyRow
from frontier.results.layout import requests_of
from frontier.text import visible

SCRIPTS = ("deciding.js", "elements.js", "wording.js", "telling.js", "pointing.js", "page.js")
"""The files of the page's script; each uses those before it."""
TEXTS = 1_200_000
"""Letters of flipped requests in a page; a comparison has an equal share of them."""


def script(folder: Path) -> Markup:
    """The page's script, which is no template. Raises UserError for a file that is missing."""
    try:
        return Markup("\n".join((folder / name).read_text(encoding="utf-8") for name in SCRIPTS))
    except FileNotFoundError as error:
        raise UserError(f"{error.filename}: no such file") from None


def data(spec: RenderSpec, naming: Naming, groups: Sequence[Group], cells: Cells) -> dict[str, Any]:
    """All that the script knows."""
    licences = {one.id: visible(one.licence, 80) for one in spec.models if one.licence}
    models = {row["variant"]: row["model"] for group in groups for row in group.rows}
    compared = sum(len(group.comparisons) for group in groups)
    share = TEXTS // max(compared, 1)
    return {
        "margin": spec.margin,
        "figures": {name: [one.title, one.unit] for name, one in LIMITABLE.items()},
        "variants": [
            {"id": one, "label": naming.variant(one), "licence": licences.get(models[one])}
            for one in naming.variants
        ],
        "devices": {one: naming.devices.label(one) for one in naming.devices.ids},
        "tasks": [_task(here, naming) for here in by_task(groups)],
        "headings": [heading.title for heading in headings()],
        "stories": [_stories(group, cells, naming, share) for group in groups],
    }


@dataclass(frozen=True)
class LimitInput:
    """A limit that a reader can set; `key` names it in a link, as answer.py's option does."""

    key: str
    title: str
    unit: str
    figure: str
    bound: str
    factor: float


def controls(known: Mapping[str, Any]) -> dict[str, Any]:
    """The controls for limits, by the script's data: of figures and names that the study has."""
    tasks, variants = known["tasks"], known["variants"]
    figures = {
        name
        for task in tasks
        for one in task["candidates"]
        for name in one["figures"]
        if name != "rate" or task["rate"]
    }
    licences = sorted({one["licence"] for one in variants if one["licence"]})
    choices = [
        ("Devices", "device", list(known["devices"].items())),
        ("Licences", "licence", [(one, one) for one in licences]),
    ]
    return {
        "limits": [
            _input(key, option)
            for key, option in LIMITS.items()
            if figures & {option.figure.format(percentile=one) for one in PERCENTILES}
        ],
        "percentiles": PERCENTILES,
        "tasks": list({task["task"]: task["label"] for task in tasks}.items()),
        "choices": [one for one in choices if len(one[2]) > 1],
    }


def _input(key: str, option: Option) -> LimitInput:
    title = LIMITABLE[option.figure.format(percentile=PERCENTILES[0])].title.split(" (")[0]
    return LimitInput(
        key.removeprefix("--"), f"{title[0].upper()}{title[1:]} at {option.bound}", option.help,
        option.figure, option.bound, option.factor,
    )  # fmt: skip


def _task(groups: Sequence[Group], naming: Naming) -> dict[str, Any]:
    """One task in one scenario with its candidates on all devices."""
    first = groups[0]
    rows = [row for group in groups for row in group.rows]
    return {
        "file": first.file,
        "task": first.task,
        "scenario": first.scenario,
        "label": naming.task(first.task, first.scenario),
        "rate": speed_of(*rows).rate,
        "cells": len(rows),
        "candidates": [_candidate(row) for row in rows if comparable(row)],
    }


def _candidate(row: StudyRow) -> dict[str, Any]:
    speed = speed_of(row)
    return {
        **candidate(row).as_json(),
        "speed": speed.text(row),
        "said": score_text(row),
        "bounds": speed.bounds(row),
        "rate": speed.rate,
    }


def _stories(group: Group, cells: Cells, naming: Naming, share: int) -> dict[str, Any]:
    """The data of each variant of a group."""
    facts = headings()
    changed = {
        row["variant"]: _change(shown)
        for row, shown in zip(group.comparisons, changes(group, naming), strict=True)
    }
    natives = {row["variant"]: row["parent_variant"] for row in group.comparisons}
    device = naming.devices.label(group.device)
    return {
        "place": group.place,
        "title": f"{naming.task(group.task, group.scenario)} · {device}",
        "variants": {
            row["variant"]: _story(row, facts, changed)
            | _requests(row, cells, natives.get(row["variant"]), naming, share)
            | _load(group, row)
            for row in group.rows
        },
    }


def _story(row: StudyRow, facts: Sequence[Any], changed: Mapping[str, Any]) -> dict[str, Any]:
    if row["outcome"] != "measured":
        reason = visible(row["reason"]) or "no reason was given"
        return {"reason": f"{row['outcome'].replace('-', ' ')}: {reason}"}
    found: dict[str, Any] = {"facts": [fact.text(row) for fact in facts]}
    if row["score"] is not None:
        found["score"] = score_text(row)
    if row["variant"] in changed:
        found["change"] = changed[row["variant"]]
    return found


def _change(shown: Any) -> list[tuple[str, str]]:
    """The changes by a quantization and techniques, as names and texts."""

    def box(one: Any) -> str:
        return f"{one.text} ({one.interval})" if one.interval else str(one.text)

    return [
        ("Score, points", box(shown.score)),
        ("p (Holm)", shown.p_holm),
        ("Answers lost; gained", f"{shown.lost}; {shown.gained}"),
        ("Flips", box(shown.flips)),
        ("Other text", shown.changed),
        *([("KL divergence, nats", box(shown.divergence))] if shown.diverges else []),
        ("Latency", box(shown.latency)),
        ("Weights", shown.weights),
    ]


def _load(group: Group, row: StudyRow) -> dict[str, Any]:
    """The rates of arrivals as short lines."""
    loads = group.loads.get(row["variant"])
    return {"load": list(load_rows(loads))} if loads else {}


def _requests(
    row: StudyRow, cells: Cells, native: str | None, naming: Naming, share: int
) -> dict[str, Any]:
    """Times by length, and requests that flipped against the native variant."""
    if row["outcome"] != "measured":
        return {}
    here = key(row)
    found: dict[str, Any] = {}
    if lengths := by_length(requests_of(cells.paths[here])):
        found["lengths"] = lengths
    before = (*here[:3], native)
    if native is not None and before in cells.paths:
        paths = requests_of(cells.paths[before]), requests_of(cells.paths[here])
        if shown := list(_within(flips(*paths), share)):
            found |= {"native": naming.variant(native), "flips": shown}
    return found


def _within(found: Sequence[Flip], share: int) -> Iterator[Flip]:
    """The first flips whose texts have at most `share` letters together."""
    used = 0
    for flip in found:
        used += sum(map(len, flip))
        if used > share:
            return
        yield flip
