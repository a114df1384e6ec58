"""The number of requests."""

from __future__ import annotations

from frontier import words
from frontier.figures import Figure, Heading, Measured, Needs, Values
from frontier.results.columns import Column, StudyRow


def _heading(row: StudyRow) -> str:
    """The number of requests, of the dataset's rows, and of processes if several."""
    if row["requests"] is None:
        return words.MISSING
    several = row["sessions"] is not None and row["sessions"] > 1
    of = f" of {row['sampled_from']:,}" if row["sampled_from"] else ""
    return f"{row['requests']}{of}" + (f" in {row['sessions']} sessions" if several else "")


class Requests(Figure):
    """The number of requests that were scored and timed."""

    ORDER = 140
    NEEDS = Needs.ANSWERS
    COLUMNS = (
        Column("requests", "count", "requests", "requests that were scored, each timed as well"),
        Column(
            "sampled_from", "count", "rows",
            "rows of the dataset, after the task's filter, of which the requests are a sample",
        ),
    )  # fmt: skip
    HEADINGS = (Heading("Requests", _heading),)

    def values(self, measured: Measured) -> Values:
        """The number; random models are not scored."""
        scored = not measured.measurement.random_weights
        asked = len(measured.every) if scored else None
        return {"requests": asked, "sampled_from": measured.sampled_from}
