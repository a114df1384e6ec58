"""The kernel."""

from __future__ import annotations

from frontier.figures.common.condition import Condition
from frontier.results.columns import Column
from frontier.results.measurement import Measurement


class Kernel(Condition):
    """The kernel in use, which may explain a slow quantized variant."""

    ORDER = 200
    COLUMNS = (
        Column(
            "kernel",
            "text",
            "",
            "the code that multiplied with the weights, where the engine reports it",
        ),
    )

    def value(self, measurement: Measurement) -> str | None:
        """The value in measurement.json."""
        return measurement.kernel
