"""The share of zeros that a pruning left."""

from __future__ import annotations

from frontier.figures import Figure, Measured, Needs, Values
from frontier.results.columns import Column


class ZeroShare(Figure):
    """The share of zeros among the layers' weights, counted in the files that the pruning wrote."""

    ORDER = 12
    NEEDS = Needs.ANSWERS
    COLUMNS = (
        Column(
            "zero_share",
            "number",
            "fraction of the layers' weights",
            "weights that a pruning set to zero, counted in its files; missing: none was asked for",
        ),
    )

    def values(self, measured: Measured) -> Values:
        """The share in the checkpoint's lock."""
        return {"zero_share": measured.measurement.zeros}
