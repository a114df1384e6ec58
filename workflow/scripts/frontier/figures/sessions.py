"""The number of processes that timed requests."""

from __future__ import annotations

from frontier.figures import Figure, Measured, Needs, Values
from frontier.results.columns import Column


class Sessions(Figure):
    """The number of processes that asked some of the requests."""

    ORDER = 150
    NEEDS = Needs.MEASUREMENT
    COLUMNS = (
        Column(
            "sessions", "count", "processes",
            "that timed these requests: several where one was interrupted, or the sample grew",
        ),
    )  # fmt: skip

    def values(self, measured: Measured) -> Values:
        """The number; None if there was none."""
        return {"sessions": len(measured.measurement.asking) or None}
