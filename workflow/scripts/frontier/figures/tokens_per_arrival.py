"""The number of tokens per arrival."""

from __future__ import annotations

from frontier.figures import Figure, Measured, Values
from frontier.results.columns import Column
from frontier.scoring.latency import tokens_per_arrival


class TokensPerArrival(Figure):
    """Tokens per arrival; 1 if gaps between arrivals are gaps between tokens."""

    ORDER = 70
    COLUMNS = (
        Column(
            "tokens_per_arrival", "number", "tokens",
            "generated tokens over their arrivals: 1 where each has a time of its own; more where "
            "several arrive together, and itl is the gap between such arrivals",
        ),
    )  # fmt: skip

    def values(self, measured: Measured) -> Values:
        """The ratio of counts, without an interval."""
        return {"tokens_per_arrival": tokens_per_arrival(measured.records)}
