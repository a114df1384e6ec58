"""Throughput in tokens."""

from __future__ import annotations

from frontier import words
from frontier.figures import Figure, Measured, Values, heading
from frontier.figures.common import throughput
from frontier.results.columns import with_interval


class OutputTokensPerS(Figure):
    """Tokens per second: a ratio of totals, not a mean of rates."""

    ORDER = 80
    COLUMNS = with_interval(
        "output_tokens_per_s",
        "tokens/s",
        "generated tokens over the time of all requests; offline: over that of the passes, from "
        "the moment at which all are due, and a server's connections are open, to the last "
        "answer",
    )
    HEADINGS = (heading("Tokens/s", "output_tokens_per_s", words.number),)

    def values(self, measured: Measured) -> Values:
        """The rate."""
        return {"output_tokens_per_s": throughput.tokens(measured)}
