"""Integer weights with one scale per row, while loading; a layer unpacks them on each use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from frontier.blocks import Measure
from frontier.errors import Reason
from frontier.quantizers import BYTES, EngineFacts, Load, Sizes, Target, WhileLoading
from frontier.quantizers.common.linears import require_all_quantized, why_not_quantizable

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel


class Example(WhileLoading):
    """Keys of the `example` block."""

    bits: Annotated[Literal[8, 4], Measure] = 8
    """Width of a weight; each is stored in a byte."""

    def unsupported(self, target: Target) -> Reason | None:
        """Rejects families without nn.Linear layers."""
        return why_not_quantizable("example", target.architecture)

    def stored_bytes(self, sizes: Sizes, dtype: str, engine: EngineFacts) -> int:
        """A byte per weight of the layers; scales, embedding and head in `dtype`."""
        scales = sizes.layers // sizes.hidden
        return sizes.layers + (scales + sizes.embedding + sizes.head) * BYTES[dtype]

    def load_model(self, load: Load) -> PreTrainedModel:
        """Loads the model, then replaces each linear layer except the head."""
        from torch import nn

        model = load()
        for name, layer in list(model.named_modules()):
            if isinstance(layer, nn.Linear) and layer is not model.get_output_embeddings():
                model.set_submodule(name, packed(layer, self.bits))
        require_all_quantized(model)
        return model

    @classmethod
    def quantized_layers(cls, model: PreTrainedModel) -> int:
        """The number of layers with scales."""
        return sum(hasattr(layer, "scales") for layer in model.modules())


def packed(layer: nn.Linear, bits: int) -> nn.Module:
    """The layer with its weights rounded to whole multiples of each row's scale."""
    import torch

    class Packed(torch.nn.Module):
        """A layer whose numbers are buffers, so that they count as the model's."""

        def __init__(self) -> None:
            super().__init__()
            largest = layer.weight.detach().abs().amax(dim=1, keepdim=True)
            scales = largest.clamp(min=1e-8) / (2 ** (bits - 1) - 1)
            self.register_buffer("scales", scales)
            self.register_buffer("weights", (layer.weight.detach() / scales).round().char())
            self.bias = layer.bias

        def forward(self, states: torch.Tensor) -> torch.Tensor:
            """The product with the unpacked weights."""
            weights = self.get_buffer("weights") * self.get_buffer("scales")
            return torch.nn.functional.linear(states, weights, self.bias)

    return Packed()
