"""torchao: weights in 8-bit integers, 8-bit floats or 4-bit integers, while loading; cpu and cuda.

Only `nn.Linear` layers other than the output head are quantized; embeddings, norms and the head
stay in the native precision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import model_validator

from frontier.blocks import Measure
from frontier.errors import Reason
from frontier.quantizers import BYTES, EngineFacts, Load, Sizes, Target, WhileLoading
from frontier.quantizers.common.linears import (
    plain_linear_layers,
    require_all_quantized,
    why_not_quantizable,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel

GROUP = 64  # 4-bit weights per scale and zero point
ROW_BYTES = {"int8": 5, "fp8": 4}  # a float32 scale; with int8 a zero point in one byte


class TorchAo(WhileLoading):
    """Keys of a `torchao` block."""

    ENVIRONMENT = "loading"

    weights: Annotated[Literal["int8", "fp8", "int4"], Measure]
    """int8, fp8 (e4m3): one scale per row; int4: a scale and a zero point per 64 weights."""
    activations: Annotated[Literal["int8"] | None, Measure] = None
    """Round activations too, dynamically per token; for int8 weights."""

    @model_validator(mode="after")
    def _activations_of_int8(self) -> Self:
        if self.activations and self.weights != "int8":
            raise ValueError("activations: int8 is for weights: int8")
        return self

    def unsupported(self, target: Target) -> Reason | None:
        """Rejects families without nn.Linear layers, accelerators, rows unfit for 4 bits."""
        if target.accelerator not in ("cpu", "cuda"):
            return "torchao is for cpu and cuda"
        if self.weights == "int4" and target.accelerator == "cuda":
            return (
                "torchao's int4 runs on cpu here: for cuda it wants bfloat16 or a package of its "
                "own"
            )
        if self.weights == "int4" and target.hidden and target.hidden % GROUP:
            return f"torchao's groups of {GROUP} weights do not divide rows of {target.hidden}"
        return why_not_quantizable("torchao", target.architecture)

    def stored_bytes(self, sizes: Sizes, dtype: str, engine: EngineFacts) -> int:
        """Packed layers with scales per row or group; the rest in `dtype`."""
        width = BYTES[dtype]
        if self.weights == "int4":
            each = 0.5 + 2 * width / GROUP
        else:
            each = 1 + ROW_BYTES[self.weights] / sizes.hidden
        return round(sizes.layers * each + (sizes.embedding + sizes.head) * width)

    def load_model(self, load: Load) -> PreTrainedModel:
        """Loads through transformers, quantizing matrix by matrix."""
        from transformers import TorchAoConfig

        with plain_linear_layers():
            model = load(quantization_config=TorchAoConfig(self._config()))
        require_all_quantized(model)
        return model

    def _config(self) -> Any:
        """torchao's own configuration."""
        from torchao.prototype.quantization.int4 import PrototypeInt4WeightOnlyConfig
        from torchao.quantization import (
            Float8WeightOnlyConfig,
            Int8DynamicActivationInt8WeightConfig,
            Int8WeightOnlyConfig,
        )

        if self.weights == "int4":
            return PrototypeInt4WeightOnlyConfig(group_size=GROUP)
        if self.weights == "fp8":
            return Float8WeightOnlyConfig()
        return (
            Int8DynamicActivationInt8WeightConfig() if self.activations else Int8WeightOnlyConfig()
        )

    @classmethod
    def quantized_layers(cls, model: PreTrainedModel) -> int:
        """The number of matrices that are torchao's tensors."""
        from torchao.utils import TorchAOBaseTensor

        return sum(isinstance(weight, TorchAOBaseTensor) for weight in model.parameters())
