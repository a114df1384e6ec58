"""How many requests there were."""

from __future__ import annotations

from frontier import words
from frontier.figures import Figure, Heading, Measured, Needs, Values
from frontier.results.columns import Column, StudyRow


def _heading(row: StudyRow) -> str:
    """How many there were, and in how many processes, if several."""
    if row["requests"] is None:
        return words.MISSING
    several = row["sessions"] is not None and row["sessions"] > 1
    return f"{row['requests']} in {row['sessions']} sessions" if several else str(row["requests"])


class Requests(Figure):
    """The requests that score and times are of."""

    ORDER = 140
    NEEDS = Needs.ANSWERS
    COLUMNS = (
        Column("requests", "count", "requests", "requests that were scored, each timed as well"),
    )
    HEADINGS = (Heading("Requests", _heading),)

    def values(self, measured: Measured) -> Values:
        """Returns how many; what is random is not scored."""
        scored = not measured.measurement.get("random_weights")
        return {"requests": len(measured.records) if scored else None}
