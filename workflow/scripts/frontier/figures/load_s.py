"""The time to load a model."""

from __future__ import annotations

from frontier import words
from frontier.figures import Figure, Measured, Needs, Values, heading
from frontier.results.columns import Column


class LoadS(Figure):
    """The time until the model can answer."""

    ORDER = 20
    NEEDS = Needs.ANSWERS
    COLUMNS = (
        Column("load_s", "number", "s", "time to load the model, its libraries imported before"),
    )
    HEADINGS = (heading("Load", "load_s", words.seconds),)

    def values(self, measured: Measured) -> Values:
        """The time; None for a simulated quantization, which loads other weights."""
        measurement = measured.measurement
        return {"load_s": None if measurement.simulated else measurement.load_s}
