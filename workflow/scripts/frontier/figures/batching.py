"""The way in which an engine computes several requests together."""

from __future__ import annotations

from frontier.figures.common.condition import Condition
from frontier.results.columns import Column
from frontier.results.measurement import Measurement


class Batching(Condition):
    """Padded or not, or not at all."""

    ORDER = 203
    COLUMNS = (
        Column(
            "batching", "text", "",
            "how the engine computed several requests together; missing where it did not, or where "
            "a server decides it",
        ),
    )  # fmt: skip

    def value(self, measurement: Measurement) -> str | None:
        """The engine's words."""
        return measurement.batching
