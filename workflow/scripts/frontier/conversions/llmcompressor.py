"""Checkpoints in compressed-tensors' format by llmcompressor: GPTQ, SmoothQuant, 8-bit floats."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from frontier.blocks import Dtype
from frontier.conversions import Conversion, ConversionResult
from frontier.conversions.common.calibrated import assemble, result_of
from frontier.conversions.common.oneshot import compressed

# isort: split
from llmcompressor.modifiers.quantization import GPTQModifier, QuantizationModifier
from llmcompressor.modifiers.smoothquant import SmoothQuantModifier

SMOOTHING = 0.8  # share of the outliers moved into weights; llmcompressor's own for Llama


class LlmCompressor(Conversion):
    """One of llmcompressor's schemes."""

    scheme: Literal["W8A8", "FP8_DYNAMIC", "W4A16"]
    group_size: int
    smoothquant: bool
    dtype: Dtype

    def convert(self, checkpoint: Path, output: Path, texts: list[str]) -> ConversionResult:
        """Quantizes by the scheme; counts the matrices.

        Raises UserError for an unreadable checkpoint, rows that groups do not fit, texts of too few
        tokens.
        """
        checkpoint, output = checkpoint.absolute(), output.absolute()
        needed = None if self.scheme == "FP8_DYNAMIC" else texts
        with compressed(checkpoint, self.dtype, self.group_size, self._recipe(), needed) as folder:
            assemble(folder, checkpoint, output)
        return result_of(output, ".weight_scale")

    def _recipe(self) -> list[Any]:
        """llmcompressor's steps for a scheme, without the output head."""
        layers = {"targets": "Linear", "scheme": self.scheme, "ignore": ["lm_head"]}
        if self.scheme == "FP8_DYNAMIC":
            return [QuantizationModifier(**layers)]
        smoothing = [SmoothQuantModifier(smoothing_strength=SMOOTHING)] if self.smoothquant else []
        return [*smoothing, GPTQModifier(**layers)]
