"""The rows of a sample, one for each request, and the answers to them."""

from __future__ import annotations

from typing import Any

from frontier import templates
from frontier.prompts import sample_ids, turn_ids
from frontier.results.measurement import Measurement
from frontier.results.records import Record
from frontier.scorers import ScoredItem
from frontier.scoring.options import options


def asked_rows(rows: list[dict[str, Any]], measured: Measurement) -> dict[str, dict[str, Any]]:
    """The row of each request: with its turn, and the question that it shares if it does."""
    count = measured.samples.count if measured.samples else 1
    turns = 1 + len(measured.follow_ups)
    shared = count * turns > 1
    return {
        name: {**row, "id": name, "question": row["id"] if shared else "", "turn": turn}
        for row in rows
        for sample in sample_ids(row["id"], count)
        for turn, name in enumerate(turn_ids(sample, turns), 1)
    }


def scored_items(
    records: list[Record],
    rows: list[dict[str, Any]],
    template: str,
    choices: tuple[str, ...] | str | None = None,
    follow_ups: tuple[str, ...] = (),
) -> list[ScoredItem]:
    """Answers with their references, choices, and the prompts from the task's templates."""
    templates_of = (template, *follow_ups)
    answers = {record.id: record for record in records}
    return [
        ScoredItem(
            row["id"],
            answers[row["id"]].text,
            row["reference"],
            row["fields"],
            templates.fill(templates_of[row.get("turn", 1) - 1], row["fields"]),
            tuple(row.get("also_accepted", ())),
            row.get("question", ""),
            options(answers[row["id"]], row, choices),
            answers[row["id"]].withheld,
            row.get("turn", 1),
        )
        for row in rows
    ]
