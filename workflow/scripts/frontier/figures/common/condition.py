"""Figures that are no results but conditions: how the engine was set, and what does its work."""

from __future__ import annotations

from frontier.figures import Figure, Measured, Needs, Values


class Condition(Figure):
    """What the measurement says under the name of the column."""

    NEEDS = Needs.MEASUREMENT
    CONDITION = True

    def values(self, measured: Measured) -> Values:
        """Returns it; None where the measurement did not come so far."""
        return {column.name: measured.measurement.get(column.name) for column in self.COLUMNS}
