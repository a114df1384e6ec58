"""Requests without an answer, and those that were asked again."""

from __future__ import annotations

from frontier import words
from frontier.figures import Figure, Heading, Measured, Needs, Values
from frontier.results.columns import Column, StudyRow


def _heading(row: StudyRow) -> str:
    """Failed requests and retries of a server; missing where no server answered."""
    if row["failed_requests"] is None:
        return words.MISSING
    return f"{row['failed_requests']:.0f} and {row['retried_requests']:.0f}"


class Failures(Figure):
    """The failures of a server: the first count as wrong, and neither has part in a latency."""

    ORDER = 142
    NEEDS = Needs.ANSWERS
    COLUMNS = (
        Column(
            "failed_requests",
            "count",
            "requests",
            "requests without an answer, those aside that its filter withheld; a server's",
        ),
        Column("retried_requests", "count", "requests", "requests sent more than once; a server's"),
    )
    HEADINGS = (Heading("Failed and retried", _heading),)

    def values(self, measured: Measured) -> Values:
        """The numbers; None for an engine that is no server."""
        if measured.measurement.server is None:
            return {}
        every = measured.every
        retried = sum(record.retries > 0 for record in every)
        failed = sum(not record.withheld for record in measured.failed)
        return {"failed_requests": failed, "retried_requests": retried}
