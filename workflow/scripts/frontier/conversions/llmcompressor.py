"""Checkpoints in compressed-tensors' format by llmcompressor: GPTQ, SmoothQuant, 8-bit floats.

It calibrates layer by layer on cuda if available, else on the CPU. The same texts give the
same weights on one machine.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

os.environ["LLM_COMPRESSOR_LOG_LEVEL"] = "ERROR"

import torch
import transformers
from llmcompressor import oneshot
from llmcompressor.modifiers.quantization import GPTQModifier, QuantizationModifier
from llmcompressor.modifiers.smoothquant import SmoothQuantModifier
from torch.utils.data import DataLoader

from frontier.blocks import Dtype
from frontier.conversions import Conversion, ConversionResult
from frontier.conversions.common.calibrated import (
    assemble,
    check_rows,
    result_of,
    scratch_folder,
    token_blocks,
)
from frontier.engines.common.loading import check_causal, load_whole, no_way
from frontier.quantizers.common.linears import plain_linear_layers

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
        torch.manual_seed(0)
        transformers.utils.logging.disable_progress_bar()
        checkpoint, output = checkpoint.absolute(), output.absolute()
        calibrating: dict[str, Any] = {}
        if self.scheme != "FP8_DYNAMIC":
            samples: Any = [{"input_ids": block} for block in token_blocks(checkpoint, texts)]
            calibrating = {
                "dataset": DataLoader(samples, batch_size=None),
                "num_calibration_samples": len(samples),
                "shuffle_calibration_samples": False,
            }
        model = _load(checkpoint, self.dtype)
        check_rows(model, self.group_size)
        with scratch_folder() as folder:
            with no_way("llmcompressor cannot quantize it"):
                oneshot(model=model, recipe=self._recipe(), **calibrating)
            model.save_pretrained(folder, save_compressed=True)
            assemble(folder, checkpoint, output)
        return result_of(output, ".weight_scale")

    def _recipe(self) -> list[Any]:
        """llmcompressor's steps for a scheme, without the output head."""
        layers = {"targets": "Linear", "scheme": self.scheme, "ignore": ["lm_head"]}
        if self.scheme == "FP8_DYNAMIC":
            return [QuantizationModifier(**layers)]
        smoothing = [SmoothQuantModifier(smoothing_strength=SMOOTHING)] if self.smoothquant else []
        return [*smoothing, GPTQModifier(**layers)]


def _load(checkpoint: Path, dtype: str) -> Any:
    """The model. Raises UserError, UnsupportedError."""
    check_causal(checkpoint)
    with plain_linear_layers():
        return load_whole(checkpoint, dtype=getattr(torch, dtype))
