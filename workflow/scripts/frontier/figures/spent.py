"""The money that a measurement cost."""

from __future__ import annotations

from frontier.figures import Figure, Measured, Needs, Values
from frontier.results.columns import Column


class Spent(Figure):
    """The price of all requests to a paid endpoint, those of the warm-up and repeated ones too."""

    ORDER = 132
    COLUMNS = (
        Column(
            "spent",
            "number",
            "the currency of the prices",
            "money for all requests of the measurement, by the endpoint's usage and the prices of "
            "that day; missing: nothing is paid for",
        ),
    )
    NEEDS = Needs.MEASUREMENT

    def values(self, measured: Measured) -> Values:
        """The money, whatever the outcome is."""
        return {"spent": measured.measurement.spent}
