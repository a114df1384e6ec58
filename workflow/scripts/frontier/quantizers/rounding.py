"""Round to nearest, simulated: the reference that every better method is to beat."""

from __future__ import annotations

from typing import Annotated

from frontier.blocks import Measure
from frontier.quantizers.common.simulated import Simulated


class Rounding(Simulated):
    """Keys of a `rounding` block."""

    symmetric: Annotated[bool, Measure] = True
    """A grid around zero; else from the least to the largest weight, with a zero point."""
