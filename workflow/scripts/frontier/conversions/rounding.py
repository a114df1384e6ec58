"""Round to nearest: the baseline among quantizations, simulated in the model's own precision.

Jacob et al., Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference (2018), section 2.
"""

from __future__ import annotations

import torch

from frontier.conversions.common.simulating import Simulation


class Rounding(Simulation):
    """Moves each weight to the nearest point of its group's grid; its keys are the quantizer's."""

    symmetric: bool = True

    def rounded(self, groups: torch.Tensor) -> torch.Tensor:
        """The weights of [groups, weights] on their grids."""
        return nearest(groups, self.bits, self.symmetric)

    def group_bytes(self) -> int:
        """A scale and, if asymmetric, a zero point, in 16 bits each."""
        return 2 if self.symmetric else 4


def nearest(groups: torch.Tensor, bits: int, symmetric: bool) -> torch.Tensor:
    """Every weight of [groups, weights] moved to the nearest point of its group's grid.

    No weight moves by more than half a scale, since each grid covers its group.
    """
    scale, zero = grid(groups, bits, symmetric)
    least, most = (1 - 2 ** (bits - 1), 2 ** (bits - 1) - 1) if symmetric else (0, 2**bits - 1)
    steps = (torch.round(groups / scale) + zero).clamp(least, most)
    return (steps - zero) * scale


def grid(groups: torch.Tensor, bits: int, symmetric: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Scale and zero point, [groups, 1] each, of the grid over each group of [groups, weights].

    Symmetric: from minus to plus the largest weight, in 2^bits - 1 points. Otherwise from the
    smallest to the largest weight, in 2^bits points, one of which, the zero point, is zero.
    """
    if symmetric:
        scale = groups.abs().amax(dim=1, keepdim=True) / (2 ** (bits - 1) - 1)
    else:
        least = groups.amin(dim=1, keepdim=True).clamp(max=0)
        most = groups.amax(dim=1, keepdim=True).clamp(min=0)
        scale = (most - least) / (2**bits - 1)
    scale = half_above(scale)
    scale = torch.where(scale == 0, 1.0, scale)
    return scale, torch.zeros_like(scale) if symmetric else torch.round(-least / scale)


def half_above(values: torch.Tensor) -> torch.Tensor:
    """The smallest float16 not below each of these floats >= 0, to fit into 16 bits."""
    near = values.half()
    above = near.view(torch.int16) + (near.float() < values).to(torch.int16)
    return above.view(torch.float16).float()
