"""llmcompressor's schemes: 8-bit weights and activations, 8-bit floats, 4-bit weights.

It writes compressed-tensors, which transformers reads in the core's environment. There a model
turns its weights back into the precision that it computes in on its first call, and rounds the
activations in that precision: accuracy is the scheme's, memory and speed are not.
"""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

from frontier.errors import Reason
from frontier.quantizers import BYTES, Preparation, Sizes, Target
from frontier.quantizers.common.linears import passed_over, plain_linear_layers

ENGINES = frozenset({"transformers"})
ENVIRONMENT = None
PUBLISHED = ("compressed-tensors",)

GROUPS = {"W8A8": None, "FP8_DYNAMIC": None, "W4A16": 128}  # None: a scale for each row
SMOOTHED = frozenset({"llama", "mistral", "qwen2"})


class Options(BaseModel):
    """Keys of an `llmcompressor` block."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    scheme: Literal["W8A8", "FP8_DYNAMIC", "W4A16"]
    """W8A8: int8 weights by GPTQ, activations rounded to int8 token by token. FP8_DYNAMIC: 8-bit
    floats (e4m3) for both. W4A16: int4 weights by GPTQ in groups of 128."""
    smoothquant: bool = False
    """Move outliers from activations into weights first (SmoothQuant); with W8A8."""
    calibration: str | None = None
    """Id of the texts that it looks at; FP8_DYNAMIC needs none."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.scheme == "FP8_DYNAMIC" and self.calibration:
            raise ValueError("scheme FP8_DYNAMIC looks at no texts: leave calibration out")
        if self.scheme != "FP8_DYNAMIC" and not self.calibration:
            raise ValueError(f"scheme {self.scheme} needs calibration: the id of some texts")
        if self.smoothquant and self.scheme != "W8A8":
            raise ValueError(f"smoothquant goes with scheme W8A8, not {self.scheme}")
        return self


def unsupported(options: Options, target: Target) -> Reason | None:
    """Families without nn.Linear layers or of unknown order, and rows that groups do not fit."""
    if target.accelerator == "mps":
        return "llmcompressor's checkpoints are not tried on mps"
    if options.smoothquant and target.architecture not in {None, *SMOOTHED}:
        return f"SmoothQuant is for {', '.join(sorted(SMOOTHED))}, not {target.architecture}"
    group = GROUPS[options.scheme]
    if group and target.hidden is not None and target.hidden % group:
        return f"{options.scheme} cannot cut rows of {target.hidden} weights into groups of {group}"
    return passed_over("llmcompressor", target.architecture)


def compute_dtype(options: Options, native: str, engine: str) -> str:
    """What is not quantized stays as it is."""
    return native


def preparation(options: Options, engine: str, dtype: str) -> Preparation | None:
    """llmcompressor's job, in an environment of its own."""
    keys = {
        "scheme": options.scheme,
        "group_size": GROUPS[options.scheme] or -1,
        "smoothquant": options.smoothquant,
        "dtype": dtype,
    }
    return Preparation("llmcompressor", keys, "llmcompressor", options.calibration)


def stored_bytes(options: Options, sizes: Sizes, dtype: str, engine: str) -> int:
    """All weights in `dtype`, which is how they are kept after the first call, and the scales."""
    scales = sizes.layers / (GROUPS[options.scheme] or sizes.hidden)
    return round((sizes.parameters + scales) * BYTES[dtype])


def load_model(load: Any, options: Options) -> Any:
    """As transformers loads it, settled."""
    return load_published(load)


def load_published(load: Any) -> Any:
    """As transformers loads it, called once: the weights are dense from then on, and counted so."""
    import torch

    with plain_linear_layers(), torch.no_grad():
        model = load().eval()
        model(torch.zeros((1, 1), dtype=torch.long, device=model.device))
    return model


def expects_quantized(options: Options) -> bool:
    """Every scheme quantizes layers."""
    return True


def quantized_layers(model: Any) -> int:
    """How many modules compute by a scheme."""
    return sum(hasattr(module, "quantization_scheme") for module in model.modules())


def kernel(model: Any) -> str:
    """What the products are computed in: not in the scheme's own numbers."""
    dtype = str(model.dtype).removeprefix("torch.")
    return f"weights decompressed to {dtype}, activations rounded in it"
