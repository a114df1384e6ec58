"""The size of the weights."""

from __future__ import annotations

from frontier import words
from frontier.figures import Figure, Measured, Needs, Values, heading
from frontier.results.columns import Column


class WeightsBytes(Figure):
    """The bytes of the weights; for a simulated quantization those of its packed form."""

    ORDER = 10
    NEEDS = Needs.ANSWERS
    COLUMNS = (
        Column(
            "weights_bytes", "count", "bytes", "bytes of the weights as stored for this variant"
        ),
    )
    HEADINGS = (heading("Weights", "weights_bytes", words.size),)

    def values(self, measured: Measured) -> Values:
        """The bytes that the engine counted after loading."""
        return {"weights_bytes": measured.measurement.weights_bytes}
