"""llmcompressor's schemes: 8-bit weights and activations, 8-bit floats, 4-bit weights.

It writes compressed-tensors, which transformers reads in the core's environment. There a model
decompresses its weights to the precision of computation on its first call, and rounds activations
in that precision: accuracy is the scheme's, memory and speed are not.
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

GROUPS = {"W8A8": None, "FP8_DYNAMIC": None, "W4A16": 128}  # None: a scale per row
SMOOTHED = frozenset({"llama", "mistral", "qwen2"})


class LlmCompressor(Prepared):
    """Keys of an `llmcompressor` block."""

    FORMAT = "compressed-tensors"
    CONVERSION = "llmcompressor"
    PUBLISHED = ("compressed-tensors",)

    scheme: Annotated[Literal["W8A8", "FP8_DYNAMIC", "W4A16"], Measure]
    """W8A8: int8 weights by GPTQ, activations rounded to int8 token by token. FP8_DYNAMIC: 8-bit
    floats (e4m3) for both. W4A16: int4 weights by GPTQ in groups of 128."""
    smoothquant: Annotated[bool, Measure] = False
    """Move outliers from activations into weights first (SmoothQuant); with W8A8."""
    calibration: Annotated[str | None, Measure] = None
    """Id of its calibration texts; FP8_DYNAMIC needs none."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.scheme == "FP8_DYNAMIC" and self.calibration:
            raise ValueError("scheme FP8_DYNAMIC uses no texts: leave calibration out")
        if self.scheme != "FP8_DYNAMIC" and not self.calibration:
            raise ValueError(f"scheme {self.scheme} needs calibration: the id of texts")
        if self.smoothquant and self.scheme != "W8A8":
            raise ValueError(f"smoothquant goes with scheme W8A8, not {self.scheme}")
        return self

    def unsupported(self, target: Target) -> Reason | None:
        """Rejects families without nn.Linear layers or of unknown order, and unfit rows."""
        if target.accelerator not in ("cpu", "cuda"):
            return f"llmcompressor's checkpoints are not tested on {target.accelerator}"
        if self.smoothquant and target.architecture not in {None, *SMOOTHED}:
            return f"SmoothQuant is for {', '.join(sorted(SMOOTHED))}, not {target.architecture}"
        group, rows = GROUPS[self.scheme], target.hidden
        if group and rows is not None and rows % group:
            return f"{self.scheme} cannot cut rows of {rows} weights into groups of {group}"
        return why_not_quantizable("llmcompressor", target.architecture)

    def preparation(self, engine: EngineFacts, dtype: str) -> Preparation:
        """llmcompressor's job, in its own environment."""
        keys: dict[str, JsonValue] = {
            "scheme": self.scheme,
            "group_size": GROUPS[self.scheme] or -1,
            "smoothquant": self.smoothquant,
            "dtype": dtype,
        }
        return Preparation(self.CONVERSION, keys, "llmcompressor", self.calibration)

    def stored_bytes(self, sizes: Sizes, dtype: str, engine: EngineFacts) -> int:
        """All weights in `dtype`, their precision after the first call, and the scales."""
        scales = sizes.layers / (GROUPS[self.scheme] or sizes.hidden)
        return round((sizes.parameters + scales) * BYTES[dtype])

    def load_model(self, load: Load) -> PreTrainedModel:
        """Loads it through transformers, and decompresses it."""
        return self.load_published(load)

    @classmethod
    def load_published(cls, load: Load) -> PreTrainedModel:
        """Loads it through transformers, and calls it once.

        From then on the weights are dense, and counted as such.
        """
        import torch

        with plain_linear_layers(), torch.no_grad():
            model = load().eval()
            model(torch.zeros((1, 1), dtype=torch.long, device=model.device))
        return model

    @classmethod
    def quantized_layers(cls, model: PreTrainedModel) -> int:
        """The number of modules with a scheme."""
        return sum(hasattr(module, "quantization_scheme") for module in model.modules())

    @classmethod
    def kernel(cls, model: PreTrainedModel) -> str:
        """The precision of the products, which is not the scheme's."""
        dtype = str(model.dtype).removeprefix("torch.")
        return f"weights decompressed to {dtype}, activations rounded in it"
