"""Round to nearest, simulated: the baseline for better methods."""

from __future__ import annotations

from typing import Annotated

from frontier.blocks import Measure
from frontier.quantizers.common.simulated import Simulated


class Rounding(Simulated):
    """Keys of a `rounding` block."""

    CONVERSION = "rounding"

    symmetric: Annotated[bool, Measure] = True
    """Use a grid around zero; else one from the smallest to the largest weight."""
