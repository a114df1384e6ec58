"""Figures that are conditions instead of results: the engine, its settings and its kernel."""

from __future__ import annotations

from frontier.figures import Figure, Measured, Needs, Values


class Condition(Figure):
    """The measurement's value under the name of the column."""

    NEEDS = Needs.MEASUREMENT
    CONDITION = True

    def values(self, measured: Measured) -> Values:
        """The value; None if the measurement ended before it was known."""
        return {column.name: measured.measurement.get(column.name) for column in self.COLUMNS}
