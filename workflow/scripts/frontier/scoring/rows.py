"""The rows of a sample, one for each request, and the answers to them."""

from __future__ import annotations

from typing import Any

from frontier import templates
from frontier.prompts import sample_ids
from frontier.results.measurement import Measurement
from frontier.results.records import Record
from frontier.scorers import ScoredItem
from frontier.scoring.options import options


def asked_rows(rows: list[dict[str, Any]], measured: Measurement) -> dict[str, dict[str, Any]]:
    """The row of each request, with the question that it shares with others if it does."""
    count = measured.samples.count if measured.samples else 1
    return {
        name: {**row, "id": name, "question": row["id"] if count > 1 else ""}
        for row in rows
        for name in sample_ids(row["id"], count)
    }


def scored_items(
    records: list[Record],
    rows: list[dict[str, Any]],
    template: str,
    choices: tuple[str, ...] | str | None = None,
) -> list[ScoredItem]:
    """Answers with their references, choices, and the prompts from the task's template."""
    answers = {record.id: record for record in records}
    return [
        ScoredItem(
            row["id"],
            answers[row["id"]].text,
            row["reference"],
            row["fields"],
            templates.fill(template, row["fields"]),
            tuple(row.get("also_accepted", ())),
            row.get("question", ""),
            options(answers[row["id"]], row, choices),
            answers[row["id"]].withheld,
        )
        for row in rows
    ]
