"""HQQ: half-quadratic quantization, without calibration, while loading; on cpu and cuda.

Every `nn.Linear` layer but the output head is quantized; embeddings, norms and the head keep the
native precision. Each use of a layer makes its whole matrix anew. Source: Badri and Shaji,
Half-Quadratic Quantization of Large Machine Learning Models (2023).
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from frontier.errors import Reason, UnsupportedError
from frontier.quantizers import BYTES, Preparation, Sizes, Target
from frontier.quantizers.common.linears import check_whole, passed_over

ENGINES = frozenset({"transformers"})
ENVIRONMENT = "loading"


class Options(BaseModel):
    """Keys of an `hqq` block."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    bits: Literal[8, 4, 2]
    """Width of the weights."""
    group_size: Literal[128, 64, 32] = 64
    """Weights of one scale and zero point."""


def unsupported(options: Options, target: Target) -> Reason | None:
    """Families without nn.Linear layers, and mps."""
    if target.accelerator == "mps":
        return "hqq is for cpu and cuda"
    return passed_over("hqq", target.architecture)


def compute_dtype(options: Options, native: str, engine: str) -> str:
    """What is not quantized stays as it is."""
    return native


def preparation(options: Options, engine: str, dtype: str) -> Preparation | None:
    """None: it quantizes while loading."""
    return None


def stored_bytes(options: Options, sizes: Sizes, dtype: str, engine: str) -> int:
    """Packed layers with a scale and a zero point, in `dtype`, for each group; the rest so too."""
    width = BYTES[dtype]
    each = options.bits / 8 + 2 * width / options.group_size
    return round(sizes.layers * each + (sizes.embedding + sizes.head) * width)


def load_model(load: Any, options: Options) -> Any:
    """Load whole, then put hqq's layers in the place of the model's own, one after the other.

    Not hqq's own way through a model, which knows a head by its name and passes over Falcon's
    layers. Scales and zero points, which it keeps apart, are made the layers' buffers, so that
    whoever counts a model's tensors counts them.
    """
    from hqq.core.quantize import BaseQuantizeConfig, HQQLinear
    from torch import nn

    model = load()
    head = model.get_output_embeddings()
    config = BaseQuantizeConfig(nbits=options.bits, group_size=options.group_size)
    names = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and module is not head
    ]
    for name in names:
        layer = model.get_submodule(name)
        if layer.weight.numel() % options.group_size:
            raise UnsupportedError(f"{name} does not divide into groups of {options.group_size}")
        packed = HQQLinear(
            layer, config, compute_dtype=model.dtype, device=str(layer.weight.device)
        )
        packed.register_buffer("scales", packed.meta["scale"], persistent=False)
        packed.register_buffer("zeros", packed.meta["zero"], persistent=False)
        model.set_submodule(name, packed)
    check_whole(model)
    return model


def expects_quantized(options: Options) -> bool:
    """Every width quantizes layers."""
    return True


def quantized_layers(model: Any) -> int:
    """How many modules hold a packed weight."""
    from hqq.core.quantize import HQQLinear

    return sum(isinstance(module, HQQLinear) for module in model.modules())
