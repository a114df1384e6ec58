"""optimum-quanto: integer or 8-bit float weights, packed while loading; on cpu, cuda and mps.

Only `nn.Linear` layers other than the output head are quantized; embeddings, norms and the head
keep the native precision.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from frontier.errors import Reason
from frontier.quantizers import BYTES, Preparation, Sizes, Target
from frontier.quantizers.common.linears import check_whole, passed_over

ENGINES = frozenset({"transformers"})
ENVIRONMENT = None

BITS = {"int8": 8, "float8": 8, "int4": 4, "int2": 2}
GROUPS = (128, 96, 64, 32)
"""Weights of one scale and shift below 8 bits: the first that divides a row, else the whole row."""


class Options(BaseModel):
    """Keys of a `quanto` block."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    weights: Literal["int8", "float8", "int4", "int2"]
    """Width of the weights. int8, float8 (e4m3): one scale a row; int4, int2: one scale and shift
    a group."""


def unsupported(options: Options, target: Target) -> Reason | None:
    """Families without nn.Linear layers, and 8-bit floats on mps."""
    if options.weights == "float8" and target.accelerator == "mps":
        return "mps has no 8-bit floating-point type"
    return passed_over("optimum-quanto", target.architecture)


def compute_dtype(options: Options, native: str, engine: str) -> str:
    """What is not quantized stays as it is."""
    return native


def preparation(options: Options, engine: str, dtype: str) -> Preparation | None:
    """None: it quantizes while loading."""
    return None


def stored_bytes(options: Options, sizes: Sizes, dtype: str, engine: str) -> int:
    """Packed layers, their scales (below 8 bits also shifts) in `dtype`; the rest in `dtype`."""
    bits, width, row = BITS[options.weights], BYTES[dtype], sizes.hidden
    if bits == 8:
        scales = width / row
    else:
        fitting = (group for group in GROUPS if row > GROUPS[0] and row % group == 0)
        scales = 2 * width / next(fitting, row)
    return round(sizes.layers * (bits / 8 + scales) + (sizes.embedding + sizes.head) * width)


def load_model(load: Any, options: Options) -> Any:
    """Through transformers. Its tensors need torch.no_grad: inference_mode refuses their views."""
    from transformers import QuantoConfig

    model = load(quantization_config=QuantoConfig(weights=options.weights))
    check_whole(model)
    return model


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
