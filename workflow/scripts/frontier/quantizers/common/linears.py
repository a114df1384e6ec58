"""The layers that quantizers support: the families that have them, and completeness checks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from frontier.errors import Reason, UnsupportedError

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def why_not_quantizable(tool: str, architecture: str | None) -> Reason | None:
    """The reason why a tool that quantizes only nn.Linear layers does not fit a family."""
    others: dict[str, Reason] = {
        "gpt2": "GPT-2 has Conv1D layers instead",
        "mixtral": "Mixtral's experts are in parameters of three dimensions",
    }
    if architecture not in others:
        return None
    return f"{tool} quantizes nn.Linear layers; {others[architecture]}"


def require_all_quantized(model: PreTrainedModel) -> None:
    """Raises UnsupportedError if a layer's matrix was not quantized: partly is not enough."""
    from torch import nn

    head = model.get_output_embeddings()
    for name, module in model.named_modules():
        for label, weight in module.named_parameters(recurse=False):
            plain = type(weight) is nn.Parameter and weight.is_floating_point()
            linear = isinstance(module, nn.Linear) and weight.ndim == 2 and module is not head
            if plain and (linear or weight.ndim == 3):
                shape = " x ".join(map(str, weight.shape))
                raise UnsupportedError(f"{name}.{label}, {shape}, was not quantized")


@contextmanager
def plain_linear_layers() -> Iterator[None]:
    """Builds Falcon from `nn.Linear`, to which its own class is equal up to the operations' order.

    transformers' bitsandbytes quantizes exactly `nn.Linear` and skips all others, and torchao's
    tensors lack the transpose that Falcon's class uses.
    """
    from torch import nn
    from transformers.models.falcon import modeling_falcon

    own = modeling_falcon.FalconLinear
    modeling_falcon.FalconLinear = nn.Linear
    try:
        yield
    finally:
        modeling_falcon.FalconLinear = own
