"""Throughput in requests."""

from __future__ import annotations

from frontier.figures import Figure, Measured, Values
from frontier.results.columns import with_interval
from frontier.scoring.latency import rate


class RequestsPerS(Figure):
    """Requests per second of the time that they take."""

    ORDER = 90
    COLUMNS = with_interval(
        "requests_per_s", "requests/s", "requests over the time of all requests"
    )

    def values(self, measured: Measured) -> Values:
        """The rate."""
        return {"requests_per_s": rate([1] * len(measured.records), measured.records)}
