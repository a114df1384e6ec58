"""Throughput in tokens."""

from __future__ import annotations

from frontier import words
from frontier.figures import Figure, Measured, Values, heading
from frontier.results.columns import with_interval
from frontier.scoring.latency import rate


class OutputTokensPerS(Figure):
    """Tokens per second of the requests' time: a ratio of totals, not a mean of rates."""

    ORDER = 80
    COLUMNS = with_interval(
        "output_tokens_per_s", "tokens/s", "generated tokens over the time of all requests"
    )
    HEADINGS = (heading("Tokens/s", "output_tokens_per_s", words.number),)

    def values(self, measured: Measured) -> Values:
        """The rate."""
        tokens = [record.tokens for record in measured.records]
        return {"output_tokens_per_s": rate(tokens, measured.records)}
