"""The rows of a sample, one for each request."""

from __future__ import annotations

from typing import Any

from frontier.prompts import sample_ids
from frontier.results.measurement import Measurement


def asked_rows(rows: list[dict[str, Any]], measured: Measurement) -> dict[str, dict[str, Any]]:
    """The row of each request, with the question that it shares with others if it does."""
    count = measured.samples.count if measured.samples else 1
    return {
        name: {**row, "id": name, "question": row["id"] if count > 1 else ""}
        for row in rows
        for name in sample_ids(row["id"], count)
    }
