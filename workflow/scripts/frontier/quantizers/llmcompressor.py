"""llmcompressor's schemes: 8-bit weights and activations, 8-bit floats, 4-bit weights.

It writes compressed-tensors, which transformers reads in the core's environment. There a model
turns its weights back into the precision that it computes in on its first call, and rounds the
activations in that precision: accuracy is the scheme's, memory and speed are not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import JsonValue, model_validator

from frontier.blocks import Measure
from frontier.errors import Reason
from frontier.quantizers import BYTES, EngineFacts, Load, Preparation, Prepared, Sizes, Target
from frontier.quantizers.common.linears import plain_linear_layers, why_not_quantizable

if TYPE_CHECKING:
    from transformers import PreTrainedModel

GROUPS = {"W8A8": None, "FP8_DYNAMIC": None, "W4A16": 128}  # None: a scale for each row
SMOOTHED = frozenset({"llama", "mistral", "qwen2"})


class LlmCompressor(Prepared):
    """Keys of an `llmcompressor` block."""

    FORMAT = "compressed-tensors"
    PUBLISHED = ("compressed-tensors",)

    scheme: Annotated[Literal["W8A8", "FP8_DYNAMIC", "W4A16"], Measure]
    """W8A8: int8 weights by GPTQ, activations rounded to int8 token by token. FP8_DYNAMIC: 8-bit
    floats (e4m3) for both. W4A16: int4 weights by GPTQ in groups of 128."""
    smoothquant: Annotated[bool, Measure] = False
    """Move outliers from activations into weights first (SmoothQuant); with W8A8."""
    calibration: Annotated[str | None, Measure] = None
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

    def unsupported(self, target: Target) -> Reason | None:
        """Families without nn.Linear layers or of unknown order, rows that groups do not fit."""
        if target.accelerator == "mps":
            return "llmcompressor's checkpoints are not tried on mps"
        if self.smoothquant and target.architecture not in {None, *SMOOTHED}:
            return f"SmoothQuant is for {', '.join(sorted(SMOOTHED))}, not {target.architecture}"
        group, rows = GROUPS[self.scheme], target.hidden
        if group and rows is not None and rows % group:
            return f"{self.scheme} cannot cut rows of {rows} weights into groups of {group}"
        return why_not_quantizable("llmcompressor", target.architecture)

    def preparation(self, engine: EngineFacts, dtype: str) -> Preparation:
        """llmcompressor's job, in an environment of its own."""
        keys: dict[str, JsonValue] = {
            "scheme": self.scheme,
            "group_size": GROUPS[self.scheme] or -1,
            "smoothquant": self.smoothquant,
            "dtype": dtype,
        }
        return Preparation("llmcompressor", keys, "llmcompressor", self.calibration)

    def stored_bytes(self, sizes: Sizes, dtype: str, engine: EngineFacts) -> int:
        """All weights in `dtype`, in which they are after the first call, and the scales."""
        scales = sizes.layers / (GROUPS[self.scheme] or sizes.hidden)
        return round((sizes.parameters + scales) * BYTES[dtype])

    def load_model(self, load: Load) -> PreTrainedModel:
        """As transformers loads it, settled."""
        return self.load_published(load)

    @classmethod
    def load_published(cls, load: Load) -> PreTrainedModel:
        """As transformers loads it, called once.

        From then on the weights are dense, and counted so.
        """
        import torch

        with plain_linear_layers(), torch.no_grad():
            model = load().eval()
            model(torch.zeros((1, 1), dtype=torch.long, device=model.device))
        return model

    @classmethod
    def quantized_layers(cls, model: PreTrainedModel) -> int:
        """How many modules compute by a scheme."""
        return sum(hasattr(module, "quantization_scheme") for module in model.modules())

    @classmethod
    def kernel(cls, model: PreTrainedModel) -> str:
        """What the products are computed in: not in the scheme's own numbers."""
        dtype = str(model.dtype).removeprefix("torch.")
        return f"weights decompressed to {dtype}, activations rounded in it"
