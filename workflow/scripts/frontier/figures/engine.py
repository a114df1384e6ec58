"""The engine."""

from __future__ import annotations

from frontier.figures.common.condition import Condition
from frontier.results.columns import Column
from frontier.results.measurement import Measurement


class Engine(Condition):
    """The engine of the cell."""

    ORDER = 160
    COLUMNS = (Column("engine", "text", "", "the code that generated"),)

    def value(self, measurement: Measurement) -> str:
        """The value in measurement.json."""
        return measurement.engine
