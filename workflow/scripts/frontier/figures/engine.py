"""The engine."""

from __future__ import annotations

from frontier.figures.common.condition import Condition
from frontier.results.columns import Column


class Engine(Condition):
    """The engine of the cell."""

    ORDER = 160
    COLUMNS = (Column("engine", "text", "", "the code that generated"),)
