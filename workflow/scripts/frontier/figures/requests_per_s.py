"""Throughput in requests."""

from __future__ import annotations

from frontier.figures import Figure, Measured, Values
from frontier.figures.common import throughput
from frontier.results.columns import with_interval


class RequestsPerS(Figure):
    """Answered requests per second: a ratio of totals."""

    ORDER = 90
    COLUMNS = with_interval(
        "requests_per_s",
        "requests/s",
        "requests over the time of all requests; offline: over that of the passes",
    )

    def values(self, measured: Measured) -> Values:
        """The rate."""
        return {"requests_per_s": throughput.requests(measured)}
