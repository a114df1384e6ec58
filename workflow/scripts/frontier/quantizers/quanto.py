"""optimum-quanto: integer weights, packed while loading; on cpu, cuda and mps.

Only `nn.Linear` layers other than the output head are quantized; embeddings, norms and the head
keep the native precision.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from frontier.quantizers import BYTES

BITS = {"int8": 8, "int4": 4, "int2": 2}
GROUP = 128  # weights of one scale and shift below 8 bits
LINEAR_SHARE = 0.93  # of a 7B Llama's parameters, in the layers that are quantized


class Options(BaseModel):
    """Keys of a `quanto` block."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    weights: Literal["int8", "int4", "int2"]
    """Width of the weights. int8: one scale a row; int4, int2: one scale and shift a group."""


def unsupported(options: Options, architecture: str | None, accelerator: str) -> str | None:
    """GPT-2 has `Conv1D` layers where others have `nn.Linear`, and quanto passes over them."""
    if architecture == "gpt2":
        return "optimum-quanto quantizes nn.Linear layers; GPT-2 has Conv1D layers instead"
    return None


def bytes_per_parameter(options: Options, dtype: str) -> float:
    """Packed bits and their share of scales, mixed with the native part."""
    bits = BITS[options.weights]
    scales = 0.0 if bits == 8 else 2 * BYTES[dtype] / GROUP
    return LINEAR_SHARE * (bits / 8 + scales) + (1 - LINEAR_SHARE) * BYTES[dtype]


def compute_dtype(options: Options, native: str) -> str:
    """What is not quantized stays as it is."""
    return native


def load_arguments(options: Options) -> dict[str, Any]:
    """transformers' own way to call quanto."""
    from transformers import QuantoConfig

    return {"quantization_config": QuantoConfig(weights=options.weights)}


def expects_quantized(options: Options) -> bool:
    """Every width quantizes layers."""
    return True


def quantized_layers(model: Any) -> int:
    """How many modules hold a packed weight."""
    from optimum.quanto import QModuleMixin, QTensor

    return sum(
        isinstance(module, QModuleMixin) and isinstance(module.weight, QTensor)
        for module in model.modules()
    )
