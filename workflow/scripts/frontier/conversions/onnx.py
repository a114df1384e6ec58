"""A checkpoint as an ONNX graph with a key-value cache, as optimum exports it: model.onnx.

Quantized by ONNX Runtime's own `quantize_dynamic`, not by optimum's ORTQuantizer, which would also
quantize the products of attention and the rotary positions.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any, Literal

# ONNX Runtime sends telemetry without consent; this is its own switch to stop it.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnx
import torch
import transformers
from onnxruntime.quantization import QuantType, quantize_dynamic
from optimum.exporters.onnx.convert import onnx_export_from_model

from frontier.conversions import Conversion, ConversionResult, copy_settings
from frontier.engines.common.loading import check_causal, load_whole, no_way
from frontier.errors import UnsupportedError

LARGE = 2_000_000_000
"""Bytes; protobuf's limit for one file. Larger weights are in model.onnx_data next to it."""


class Onnx(Conversion):
    """An ONNX graph with a key-value cache, as it is or quantized."""

    weights: Literal["int8"] | None = None
    """ONNX Runtime's dynamic quantization; unset: the unquantized model, in `dtype`."""
    dtype: Literal["float32"] = "float32"

    def convert(self, checkpoint: Path, output: Path, texts: list[str]) -> ConversionResult:
        """Exports, and quantizes if requested.

        Raises UnsupportedError for what optimum cannot export, UserError for an unreadable
        checkpoint.
        """
        model = _load(checkpoint)
        with (
            no_way("optimum cannot export it"),
            tempfile.TemporaryDirectory(dir=output.parent) as temporary,
        ):
            exported = Path(temporary) if self.weights else output
            onnx_export_from_model(
                model=model,
                output=exported,
                task="text-generation-with-past",
                do_validation=False,
                # It would store a tied head once, as a transposed embedding; ONNX Runtime
                # duplicates it again on loading, and could not quantize the head.
                no_post_process=True,
            )
            large = sum(weight.nbytes for weight in model.parameters()) > LARGE
            del model
            layers = 0 if exported == output else _quantize(exported, output, large)
        copy_settings(checkpoint, output)
        return ConversionResult(layers)


def _load(checkpoint: Path) -> Any:
    """The model in float32, as loaded by transformers 4."""
    check_causal(checkpoint)
    with no_way("optimum cannot run it"):
        config = _runnable(transformers.AutoConfig.from_pretrained(checkpoint))
    return load_whole(checkpoint, config=config, dtype=torch.float32)


def _runnable(config: Any) -> Any:
    """The configuration as transformers 4 reads it. Raises UnsupportedError if it cannot."""
    if config.model_type == "falcon" and config.new_decoder_architecture:
        raise UnsupportedError("optimum cannot export Falcon's new decoder architecture")
    if not isinstance(getattr(config, "num_attention_heads", None), int):
        raise UnsupportedError(f"optimum runs models with attention heads, not {config.model_type}")
    width = config.hidden_size // config.num_attention_heads
    if getattr(config, "head_dim", None) not in (None, width):
        raise UnsupportedError("optimum runs only heads whose width is hidden size / heads")
    _read_rotary_settings(config)
    return config


def _read_rotary_settings(config: Any) -> None:
    """Sets the values that transformers 5 saves in one block, which 4 does not read."""
    block = dict(getattr(config, "rope_parameters", None) or {})
    if not block:
        return
    kind = block.get("rope_type", "default")
    values = {
        "rope_theta": block.pop("rope_theta", None),
        "rope_scaling": None if kind == "default" else block,
        "partial_rotary_factor": block.pop("partial_rotary_factor", None),
    }
    for name, value in values.items():
        if hasattr(config, name):
            setattr(config, name, value)
        elif value is not None:
            raise UnsupportedError(f"transformers 4 has no {name} for {config.model_type}")


def _quantize(exported: Path, output: Path, large: bool) -> int:
    """Writes the quantized graph; returns the number of quantized matrices."""
    path = exported / "quantized.onnx"
    # Weights of 8 signed bits, a scale per column: one form for every CPU. The engine's settings
    # keep CPUs without VNNI exact.
    quantize_dynamic(
        exported / "model.onnx",
        path,
        per_channel=True,
        weight_type=QuantType.QInt8,
        use_external_data_format=large,
    )
    graph = onnx.load(path)
    onnx.save_model(
        graph,
        output / "model.onnx",
        save_as_external_data=large,
        location="model.onnx_data",
    )
    integers = (onnx.TensorProto.INT8, onnx.TensorProto.UINT8)
    return sum(
        tensor.data_type in integers and len(tensor.dims) == 2 for tensor in graph.graph.initializer
    )
