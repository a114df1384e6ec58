"""Answers that a server's filter kept back, in part or whole, for what they or the prompts say."""

from __future__ import annotations

from frontier import words
from frontier.figures import Figure, Heading, Measured, Needs, Values
from frontier.results.columns import Column, StudyRow, with_interval
from frontier.stats.intervals import wilson


def _heading(row: StudyRow) -> str:
    """Their number and share; missing where no server answered."""
    if row["withheld_answers"] is None:
        return words.MISSING
    count = f"{row['withheld_answers']:.0f}"
    return f"{count} ({row['withheld_rate']:.1%})" if row["withheld_answers"] else count


class Withheld(Figure):
    """Outcomes of their own: no failures of a server, and no wrong answers of a model.

    What is left of such an answer is scored as it is. One of which nothing is left has no part in
    a latency.
    """

    ORDER = 138
    NEEDS = Needs.ANSWERS
    COLUMNS = (
        Column(
            "withheld_answers", "count", "answers",
            "answers of which a server's filter kept something back, or all (content_filter)",
        ),
        *with_interval("withheld_rate", "share", "their share of all requests for texts"),
    )  # fmt: skip
    HEADINGS = (Heading("Withheld", _heading),)

    def values(self, measured: Measured) -> Values:
        """The number and the share; None for an engine that is no server."""
        asked = [*measured.records, *measured.failed]
        if measured.measurement.server is None or not asked:
            return {}
        withheld = sum(record.withheld for record in asked)
        return {"withheld_answers": withheld, "withheld_rate": wilson(withheld, len(asked))}
