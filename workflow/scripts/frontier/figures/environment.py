"""The Python environment."""

from __future__ import annotations

from frontier.figures.common.condition import Condition
from frontier.results.columns import Column
from frontier.results.measurement import Measurement


class Environment(Condition):
    """The environment in which the engine is installed."""

    ORDER = 170
    COLUMNS = (
        Column(
            "environment",
            "text",
            "",
            "the Python environment that it ran in; missing: the workflow's own",
        ),
    )

    def value(self, measurement: Measurement) -> str | None:
        """The value in measurement.json."""
        return measurement.environment
