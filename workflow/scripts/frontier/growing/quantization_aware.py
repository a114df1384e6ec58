"""Quantization-aware training: the layers compute with rounded weights while they learn.

The gradient passes each rounding unchanged (straight-through estimator; Bengio, Léonard and
Courville, 2013), so that the optimizers move full-precision weights behind the rounded ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize
from transformers import PreTrainedModel

from frontier.catalogue.recipe import Recipe
from frontier.conversions.common.simulating import by_group
from frontier.conversions.rounding import nearest
from frontier.growing import ternary
from frontier.growing.layers import layers
from frontier.quantizers.rounding import Rounding

Change = Callable[[torch.Tensor], torch.Tensor]


class Passing(torch.autograd.Function):
    """A rounding whose gradient is that of its input."""

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, change: Change) -> torch.Tensor:
        """The rounded values."""
        return change(values)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        """The gradient of the rounded values."""
        return gradients[0], None


def _passing(values: torch.Tensor, change: Change) -> torch.Tensor:
    apply: Any = Passing.apply  # untyped in torch
    rounded: torch.Tensor = apply(values, change)
    return rounded


class Rounded(nn.Module):
    """The parametrization of a layer's weight by its full-precision one."""

    def __init__(self, change: Change) -> None:
        super().__init__()
        self.change = change
        self.begun = False

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """The weight that the layer multiplies by."""
        return _passing(weight, self.change) if self.begun else weight


def prepare(model: PreTrainedModel, recipe: Recipe) -> None:
    """Prepares the layers to round as the recipe says; without such a key it does nothing."""
    asked = recipe.quantization_aware
    if asked is None:
        return
    change = ternary.nearest if isinstance(asked.weights, str) else _rounding(asked.weights)
    for _, layer in layers(model):
        parametrize.register_parametrization(layer, "weight", Rounded(change))


def begin(model: PreTrainedModel, recipe: Recipe, step: int) -> None:
    """Begins to round at the step that the recipe says; of BitNet, the activations too."""
    asked = recipe.quantization_aware
    if asked is None or step != int(asked.after * recipe.steps):
        return
    _round(model)
    for _, layer in layers(model) if recipe.ternary else ():
        layer.register_forward_pre_hook(_round_inputs)


def finish(model: PreTrainedModel, recipe: Recipe) -> None:
    """Leaves the rounded weights; a quantizer of the same keys then finds them on its grid."""
    _round(model)  # a model without any step of training, too
    for _, layer in layers(model) if recipe.quantization_aware else ():
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)


def _round(model: PreTrainedModel) -> None:
    for module in model.modules():
        if isinstance(module, Rounded):
            module.begun = True


def _rounding(asked: Rounding) -> Change:
    """The rounding of a `rounding` quantization with these keys."""
    size = {"tensor": None, "channel": 0, "group": asked.group_size}[asked.granularity]

    def change(weight: torch.Tensor) -> torch.Tensor:
        return by_group(weight, size, lambda rows: nearest(rows, asked.bits, asked.symmetric))[0]

    return change


def _round_inputs(layer: nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    return (_passing(inputs[0], ternary.int8), *inputs[1:])
