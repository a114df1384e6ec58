"""The choice of tokens."""

from __future__ import annotations

from frontier.figures.common.condition import Condition
from frontier.results.columns import Column
from frontier.results.measurement import Measurement


class Decoding(Condition):
    """The choice of each token: the likeliest, unless an endpoint refuses that."""

    ORDER = 205
    COLUMNS = (
        Column(
            "decoding",
            "text",
            "",
            "greedy: each token is the likeliest; sampled: an endpoint that refuses that",
        ),
    )

    def value(self, measurement: Measurement) -> str:
        """The value, by what the requests asked for."""
        return "greedy" if all(server.greedy for server in measurement.servers) else "sampled"
