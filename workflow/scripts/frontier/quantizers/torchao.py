"""torchao: weights in 8-bit integers, 8-bit floats or 4-bit integers, while loading; cpu and cuda.

Only `nn.Linear` layers other than the output head are quantized; embeddings, norms and the head
keep the native precision.
"""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

from frontier.errors import Reason
from frontier.quantizers import BYTES, Preparation, Sizes, Target
from frontier.quantizers.common.linears import check_whole, passed_over, plain_linear_layers

ENGINES = frozenset({"transformers"})
ENVIRONMENT = "loading"

GROUP = 64  # 4-bit weights of one scale and zero point
ROW_BYTES = {"int8": 5, "fp8": 4}  # a float32 scale; with int8 a zero point in one byte


class Options(BaseModel):
    """Keys of a `torchao` block."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    weights: Literal["int8", "fp8", "int4"]
    """int8, fp8 (e4m3): one scale a row; int4: a scale and a zero point for each 64 weights."""
    activations: Literal["int8"] | None = None
    """Also round each token's activations, as it comes; for int8 weights."""

    @model_validator(mode="after")
    def _activations_of_int8(self) -> Self:
        if self.activations and self.weights != "int8":
            raise ValueError("activations: int8 is for weights: int8")
        return self


def unsupported(options: Options, target: Target) -> Reason | None:
    """Families without nn.Linear layers, mps, and what does not fit the 4-bit layout."""
    if target.accelerator == "mps":
        return "torchao is for cpu and cuda"
    if options.weights == "int4" and target.accelerator == "cuda":
        return "torchao's int4 runs on cpu here: for cuda it wants bfloat16 or a package of its own"
    if options.weights == "int4" and target.hidden and target.hidden % GROUP:
        return f"torchao packs groups of {GROUP} weights; rows of {target.hidden} do not divide so"
    return passed_over("torchao", target.architecture)


def compute_dtype(options: Options, native: str, engine: str) -> str:
    """What is not quantized stays as it is."""
    return native


def preparation(options: Options, engine: str, dtype: str) -> Preparation | None:
    """None: it quantizes while loading."""
    return None


def stored_bytes(options: Options, sizes: Sizes, dtype: str, engine: str) -> int:
    """Packed layers with what they keep of a row or a group; the rest in `dtype`."""
    width = BYTES[dtype]
    if options.weights == "int4":
        each = 0.5 + 2 * width / GROUP
    else:
        each = 1 + ROW_BYTES[options.weights] / sizes.hidden
    return round(sizes.layers * each + (sizes.embedding + sizes.head) * width)


def load_model(load: Any, options: Options) -> Any:
    """Through transformers, matrix by matrix while loading."""
    from transformers import TorchAoConfig

    with plain_linear_layers():
        model = load(quantization_config=TorchAoConfig(_config(options)))
    check_whole(model)
    return model


def _config(options: Options) -> Any:
    """torchao's own configuration."""
    from torchao.prototype.quantization.int4 import PrototypeInt4WeightOnlyConfig
    from torchao.quantization import (
        Float8WeightOnlyConfig,
        Int8DynamicActivationInt8WeightConfig,
        Int8WeightOnlyConfig,
    )

    if options.weights == "int4":
        return PrototypeInt4WeightOnlyConfig(group_size=GROUP)
    if options.weights == "fp8":
        return Float8WeightOnlyConfig()
    return (
        Int8DynamicActivationInt8WeightConfig() if options.activations else Int8WeightOnlyConfig()
    )


def expects_quantized(options: Options) -> bool:
    """Every width quantizes layers."""
    return True


def quantized_layers(model: Any) -> int:
    """How many matrices are torchao's tensors."""
    from torchao.utils import TorchAOBaseTensor

    return sum(isinstance(weight, TorchAOBaseTensor) for weight in model.parameters())
