"""The engine's threads."""

from __future__ import annotations

from frontier.figures.common.condition import Condition
from frontier.results.columns import Column


class Threads(Condition):
    """As many as the device's block says, or the machine has cores."""

    ORDER = 180
    COLUMNS = (Column("threads", "count", "threads", "threads the engine was given"),)
