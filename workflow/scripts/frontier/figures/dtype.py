"""The type of the numbers."""

from __future__ import annotations

from frontier.figures.common.condition import Condition
from frontier.results.columns import Column
from frontier.results.measurement import Measurement


class Dtype(Condition):
    """The precision of the engine's computation, independent of the stored weights."""

    ORDER = 190
    COLUMNS = (
        Column("dtype", "text", "", "the type of the numbers that the engine computes with"),
    )

    def value(self, measurement: Measurement) -> str | None:
        """The value in measurement.json; None if an endpoint decides it."""
        return measurement.dtype or None
