"""The engine's threads."""

from __future__ import annotations

from frontier.figures.common.condition import Condition
from frontier.results.columns import Column
from frontier.results.measurement import Measurement


class Threads(Condition):
    """The number of threads: the device's setting, or the machine's cores."""

    ORDER = 180
    COLUMNS = (Column("threads", "count", "threads", "threads the engine was given"),)

    def value(self, measurement: Measurement) -> int | None:
        """The value in measurement.json."""
        return measurement.threads
