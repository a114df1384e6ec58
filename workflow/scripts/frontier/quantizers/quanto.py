"""optimum-quanto: integer or 8-bit float weights, packed while loading; anywhere.

Only `nn.Linear` layers other than the output head are quantized; embeddings, norms and the head
stay in the native precision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from frontier.blocks import Measure
from frontier.errors import Reason
from frontier.host import extensions
from frontier.quantizers import BYTES, EngineFacts, Load, Sizes, Target, WhileLoading
from frontier.quantizers.common.linears import require_all_quantized, why_not_quantizable

if TYPE_CHECKING:
    from transformers import PreTrainedModel

BITS = {"int8": 8, "float8": 8, "int4": 4, "int2": 2}
GROUPS = (128, 96, 64, 32)
"""Weights per scale and shift below 8 bits: the first that divides a row, else the whole row."""


class Quanto(WhileLoading):
    """Keys of a `quanto` block."""

    weights: Annotated[Literal["int8", "float8", "int4", "int2"], Measure]
    """Width of the weights. int8, float8 (e4m3): one scale per row; int4, int2: one scale and shift
    per group."""

    def unsupported(self, target: Target) -> Reason | None:
        """Rejects families without nn.Linear layers, and 8-bit floats on mps."""
        if self.weights == "float8" and target.accelerator == "mps":
            return "mps has no 8-bit floating-point type"
        return why_not_quantizable("optimum-quanto", target.architecture)

    def stored_bytes(self, sizes: Sizes, dtype: str, engine: EngineFacts) -> int:
        """Packed layers, scales (below 8 bits also shifts) in `dtype`; the rest in `dtype`."""
        bits, width, row = BITS[self.weights], BYTES[dtype], sizes.hidden
        if bits == 8:
            scales = width / row
        else:
            fitting = (group for group in GROUPS if row > GROUPS[0] and row % group == 0)
            scales = 2 * width / next(fitting, row)
        return round(sizes.layers * (bits / 8 + scales) + (sizes.embedding + sizes.head) * width)

    def load_model(self, load: Load) -> PreTrainedModel:
        """Loads through transformers.

        Its tensors need torch.no_grad: inference_mode rejects their views.
        """
        from transformers import QuantoConfig

        extensions.end_locks_with_their_jobs()
        model = load(quantization_config=QuantoConfig(weights=self.weights))
        require_all_quantized(model)
        return model

    @classmethod
    def quantized_layers(cls, model: PreTrainedModel) -> int:
        """The number of modules with a packed weight."""
        from optimum.quanto import QModuleMixin, QTensor

        return sum(
            isinstance(module, QModuleMixin) and isinstance(module.weight, QTensor)
            for module in model.modules()
        )
