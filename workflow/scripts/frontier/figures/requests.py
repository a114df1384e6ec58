"""The number of requests."""

from __future__ import annotations

from frontier import words
from frontier.figures import Figure, Heading, Measured, Needs, Values
from frontier.results.columns import Column, StudyRow


def _heading(row: StudyRow) -> str:
    """The number of requests, and of processes if several."""
    if row["requests"] is None:
        return words.MISSING
    several = row["sessions"] is not None and row["sessions"] > 1
    return f"{row['requests']} in {row['sessions']} sessions" if several else str(row["requests"])


class Requests(Figure):
    """The number of requests that were scored and timed."""

    ORDER = 140
    NEEDS = Needs.ANSWERS
    COLUMNS = (
        Column("requests", "count", "requests", "requests that were scored, each timed as well"),
    )
    HEADINGS = (Heading("Requests", _heading),)

    def values(self, measured: Measured) -> Values:
        """The number; random models are not scored."""
        scored = not measured.measurement.random_weights
        return {"requests": len([*measured.records, *measured.failed]) if scored else None}
