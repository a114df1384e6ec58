"""The type of the numbers."""

from __future__ import annotations

from frontier.figures.common.condition import Condition
from frontier.results.columns import Column


class Dtype(Condition):
    """What the engine computes in, whatever the weights are stored in."""

    ORDER = 190
    COLUMNS = (
        Column("dtype", "text", "", "the type of the numbers that the engine computes with"),
    )
