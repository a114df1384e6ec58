"""The share of answers that the limit of new tokens cut off."""

from __future__ import annotations

from frontier import words
from frontier.figures import Figure, Measured, Needs, Values, heading
from frontier.results.columns import with_interval
from frontier.stats.intervals import wilson


class Example(Figure):
    """The share of answers that ended at the limit, with Wilson's interval."""

    ORDER = 1000
    NEEDS = Needs.ANSWERS
    COLUMNS = with_interval("example", "fraction", "answers that ended at the limit of new tokens")
    HEADINGS = (heading("Cut off", "example", words.percent),)

    def values(self, measured: Measured) -> Values:
        """The share."""
        ended = [record.finish_reason == "length" for record in measured.records]
        return {"example": wilson(sum(ended), len(ended))}
