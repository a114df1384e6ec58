"""A checkpoint as an OpenVINO model with its key-value cache inside: openvino_model.{xml,bin}."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

# NNCF sends telemetry without consent; this is its own switch to stop it.
os.environ["NNCF_CI"] = "1"

import openvino
from optimum.intel import OVModelForCausalLM, OVWeightQuantizationConfig

from frontier.conversions import Conversion, ConversionResult, copy_settings
from frontier.engines.common.loading import check_causal, load_whole, no_way

BITS = {"int8": 8, "int4": 4}
PACKED = ("u8", "i8", "u4", "i4")


class OpenVino(Conversion):
    """An OpenVINO model, as it is or compressed."""

    weights: Literal["int8", "int4"] | None = None
    """Width of the weights; unset: the unquantized model, in `dtype`."""
    dtype: Literal["float32"] = "float32"
    group_size: int | None = None
    """Weights per group in int4; a group that does not divide a row becomes smaller."""

    def convert(self, checkpoint: Path, output: Path, texts: list[str]) -> ConversionResult:
        """Exports, and compresses if requested.

        Raises UnsupportedError for what optimum cannot export, UserError for an unreadable
        checkpoint.
        """
        check_causal(checkpoint)
        load_whole(
            checkpoint
        )  # optimum, which loads it again, does not report tensors that it initialises
        arguments: dict[str, Any] = {"load_in_8bit": False}
        if self.weights:
            arguments = {
                "quantization_config": OVWeightQuantizationConfig(
                    bits=BITS[self.weights],
                    group_size=self.group_size,
                    group_size_fallback="adjust" if self.group_size else None,
                )
            }
        with no_way("optimum cannot export it"):
            model = OVModelForCausalLM.from_pretrained(
                checkpoint, export=True, compile=False, use_safetensors=True, **arguments
            )
            model.save_pretrained(output)
        copy_settings(checkpoint, output)
        return ConversionResult(_packed(output / "openvino_model.xml"))


def _packed(path: Path) -> int:
    """The number of packed weights among a model's constants of two dimensions or more."""
    found = 0
    for node in openvino.Core().read_model(path).get_ops():
        if node.get_type_name() != "Constant":
            continue
        packed = node.get_output_element_type(0).get_type_name() in PACKED
        shape = node.get_output_shape(0)
        # Scales and zero points have one entry along the rows.
        found += packed and len(shape) > 1 and shape[-1] > 1
    return found
