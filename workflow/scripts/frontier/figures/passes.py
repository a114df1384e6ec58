"""The number of passes, and whether they gave the same answers."""

from __future__ import annotations

from frontier.figures import Figure, Measured, Needs, Values
from frontier.figures.common.throughput import passes_of
from frontier.results.columns import Column


class Passes(Figure):
    """The repetitions from which the interval of a throughput comes."""

    ORDER = 94
    NEEDS = Needs.ANSWERS
    COLUMNS = (
        Column(
            "passes", "count", "passes",
            "times that all requests were asked at once; missing where they were asked one by one",
        ),
        Column(
            "passes_changed", "count", "answers",
            "answers that had another text in a later pass than in the first, which is scored; the "
            "most in any pass",
        ),
    )  # fmt: skip

    def values(self, measured: Measured) -> Values:
        """The numbers; none without passes."""
        found = passes_of(measured.measurement)
        if not found:
            return {}
        several = len(found) > 1
        changed = max(one.changed for one in found) if several else None
        return {"passes": len(found), "passes_changed": changed}
