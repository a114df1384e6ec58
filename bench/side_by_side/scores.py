"""The score of another tool's generations, by this workflow's scorer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from frontier.results.records import read
from frontier.scorers import CHOSEN
from frontier.scoring.rows import asked_rows, scored_items
from frontier.values import read_json, read_lines
from side_by_side.workspace import DEVICE, Checkout


@dataclass(frozen=True)
class Scored:
    """The primary metric, and each request's score, as far as there are any."""

    value: float | None
    each: tuple[float | None, ...]


def scored(checkout: Checkout, texts: Mapping[str, str]) -> Scored | None:
    """The score of texts by request; None where nothing is scored, as of random weights."""
    summary = read_json(checkout.summary(DEVICE))
    if summary["score"] is None:
        return None
    measured, folder = checkout.measured(DEVICE)
    rows = asked_rows(read_lines(checkout.sample()), measured)
    records = [replace(one, text=texts.get(one.id, "")) for one in read(folder / "requests.jsonl")]
    ordered = [rows[one.id] for one in records]
    items = scored_items(records, ordered, measured.template, measured.choices, measured.follow_ups)
    found = CHOSEN.read(summary["score"]["scorer"]).score(items)
    each = tuple(_number(one["score"]) for one in found.requests)
    return Scored(found.metrics[summary["score"]["primary"]].value, each)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
