"""The number of requests at once."""

from __future__ import annotations

from frontier.figures import Figure, Measured, Needs, Values
from frontier.figures.common import throughput
from frontier.results.columns import Column


class RequestsAtOnce(Figure):
    """The requests that the engine, or the server, worked on together."""

    ORDER = 92
    NEEDS = Needs.ANSWERS
    COLUMNS = (
        Column(
            "requests_at_once", "count", "requests",
            "largest number of requests that had been sent and not answered: of a batch, or of all "
            "that a server was sent; 1 where the engine answers one after another",
        ),
    )  # fmt: skip

    def values(self, measured: Measured) -> Values:
        """The number."""
        return {"requests_at_once": throughput.at_once(measured.records) or None}
