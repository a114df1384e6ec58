"""The requests that were measured again, because a check failed, and what that changed."""

from __future__ import annotations

from frontier.figures import Figure, Measured, Needs, Values
from frontier.results.columns import Column

NOTHING = "nothing was repeated"


class Repeated(Figure):
    """The device's `attempts` bound how often that is done."""

    ORDER = 182
    NEEDS = Needs.MEASUREMENT
    CONDITION = True
    COLUMNS = (
        Column("repeated_requests", "count", "requests", "requests measured again, of all kinds"),
        Column(
            "repeated_changed",
            "count",
            "requests",
            "requests whose text was another when they were measured again",
        ),
        Column(
            "repeated_because", "text", "", "checks that had failed, or that nothing was repeated"
        ),
    )

    def values(self, measured: Measured) -> Values:
        """The sums over the sessions that asked again, and their reasons, each once."""
        again = measured.measurement.again
        return {
            "repeated_requests": sum(one.requests for one in again),
            "repeated_changed": sum(one.changed or 0 for one in again),
            "repeated_because": "; ".join(dict.fromkeys(one.reason for one in again)) or NOTHING,
        }
