"""The layers that quantizers work on: which families have them, and whether all were quantized."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from frontier.errors import Reason, UnsupportedError

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def why_not_quantizable(tool: str, architecture: str | None) -> Reason | None:
    """Why a tool that quantizes nn.Linear layers, and nothing else, does not fit a family."""
    others: dict[str, Reason] = {
        "gpt2": "GPT-2 has Conv1D layers instead",
        "mixtral": "Mixtral's experts are in parameters of three dimensions",
    }
    if architecture not in others:
        return None
    return f"{tool} quantizes nn.Linear layers; {others[architecture]}"


def require_all_quantized(model: PreTrainedModel) -> None:
    """Raise UnsupportedError where a layer's matrix was left as it was: part is not the whole."""
    from torch import nn

    head = model.get_output_embeddings()
    for name, module in model.named_modules():
        for label, weight in module.named_parameters(recurse=False):
            plain = type(weight) is nn.Parameter and weight.is_floating_point()
            linear = isinstance(module, nn.Linear) and weight.ndim == 2 and module is not head
            if plain and (linear or weight.ndim == 3):
                shape = " x ".join(map(str, weight.shape))
                raise UnsupportedError(f"{name}.{label}, {shape}, was left as it was")


@contextmanager
def plain_linear_layers() -> Iterator[None]:
    """Falcon built of `nn.Linear`, which its own class is but for the order of operations.

    transformers' bitsandbytes looks for exactly `nn.Linear` and leaves the others as they were,
    and torchao's tensors have not the transpose that Falcon's class multiplies by.
    """
    from torch import nn
    from transformers.models.falcon import modeling_falcon

    own = modeling_falcon.FalconLinear
    modeling_falcon.FalconLinear = nn.Linear
    try:
        yield
    finally:
        modeling_falcon.FalconLinear = own
