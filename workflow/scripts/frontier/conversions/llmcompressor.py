"""Checkpoints in compressed-tensors' form by llmcompressor: GPTQ, SmoothQuant, 8-bit floats.

It calibrates layer by layer on cuda where there is one, else on the CPU. The same texts give the
same weights on one machine.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

os.environ["LLM_COMPRESSOR_LOG_LEVEL"] = "ERROR"

import torch
import transformers
from llmcompressor import oneshot
from llmcompressor.modifiers.quantization import GPTQModifier, QuantizationModifier
from llmcompressor.modifiers.smoothquant import SmoothQuantModifier
from torch.utils.data import DataLoader

from frontier.conversions import Made
from frontier.conversions.common.calibrated import (
    check_rows,
    collect,
    made_of,
    of_checkpoint,
    workshop,
)
from frontier.engines.common.loading import check_causal, load_whole, no_way
from frontier.quantizers.common.linears import plain_linear_layers

SMOOTHING = 0.8  # share of the outliers that weights take; llmcompressor's own for Llama


def convert(checkpoint: Path, output: Path, options: dict[str, Any], texts: list[str]) -> Made:
    """Quantize by `options["scheme"]`; counts the matrices.

    Raises UserError for an unreadable checkpoint, rows that groups do not fit, texts of too few
    tokens.
    """
    torch.manual_seed(0)
    transformers.utils.logging.disable_progress_bar()
    checkpoint, output = checkpoint.absolute(), output.absolute()
    calibrating: dict[str, Any] = {}
    if options["scheme"] != "FP8_DYNAMIC":
        samples: Any = [{"input_ids": block} for block in of_checkpoint(checkpoint, texts)]
        calibrating = {
            "dataset": DataLoader(samples, batch_size=None),
            "num_calibration_samples": len(samples),
            "shuffle_calibration_samples": False,
        }
    model = _load(checkpoint, options["dtype"])
    check_rows(model, options["group_size"])
    with workshop() as folder:
        with no_way("llmcompressor cannot quantize it"):
            oneshot(model=model, recipe=_recipe(options), **calibrating)
        model.save_pretrained(folder, save_compressed=True)
        collect(folder, checkpoint, output)
    return made_of(output, ".weight_scale")


def _recipe(options: dict[str, Any]) -> list[Any]:
    """llmcompressor's steps for a scheme; the output head is left as it is."""
    layers = {"targets": "Linear", "scheme": options["scheme"], "ignore": ["lm_head"]}
    if options["scheme"] == "FP8_DYNAMIC":
        return [QuantizationModifier(**layers)]
    smoothing = (
        [SmoothQuantModifier(smoothing_strength=SMOOTHING)] if options["smoothquant"] else []
    )
    return [*smoothing, GPTQModifier(**layers)]


def _load(checkpoint: Path, dtype: str) -> Any:
    """The model. Raises UserError, UnsupportedError."""
    check_causal(checkpoint)
    with plain_linear_layers():
        return load_whole(checkpoint, dtype=getattr(torch, dtype))
