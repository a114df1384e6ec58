"""Figures that are conditions instead of results: the engine, its settings and its kernel."""

from __future__ import annotations

from abc import abstractmethod

from frontier.figures import Figure, Measured, Needs, Values
from frontier.results.measurement import Measurement


class Condition(Figure):
    """A value of the measurement in a single column."""

    NEEDS = Needs.MEASUREMENT
    CONDITION = True

    def values(self, measured: Measured) -> Values:
        """The value; None if the measurement ended before it was known."""
        (column,) = self.COLUMNS
        return {column.name: self.value(measured.measurement)}

    @abstractmethod
    def value(self, measurement: Measurement) -> str | int | None:
        """The value; None if it is not known."""
