"""Inter-token latency."""

from __future__ import annotations

from frontier.figures import Measured, Values
from frontier.figures.common.spread import Spread, spread_columns
from frontier.scoring.latency import inter_token_latency


class Itl(Spread):
    """The gaps between tokens of all requests: the evenness of the output."""

    ORDER = 60
    PREFIX = "itl"
    DEFINITION = (
        "inter-token latency: gap between consecutive tokens, or arrivals of several (see "
        "tokens_per_arrival)"
    )
    COLUMNS = spread_columns(PREFIX, DEFINITION)

    def values(self, measured: Measured) -> Values:
        """Each statistic with its interval; a request's gaps are a cluster."""
        return self.named(inter_token_latency(measured.records))
