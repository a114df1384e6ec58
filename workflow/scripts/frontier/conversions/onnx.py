"""A checkpoint as an ONNX graph with a key-value cache, as optimum exports it: model.onnx.

Quantized by ONNX Runtime's own `quantize_dynamic` and not optimum's ORTQuantizer, which would
quantize what attention multiplies, and the rotary positions, too.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Literal

import onnx
import torch
import transformers
from onnxruntime.quantization import QuantType, quantize_dynamic
from optimum.exporters.onnx.convert import onnx_export_from_model

from frontier.conversions import Conversion, ConversionResult, copy_settings
from frontier.engines.common.loading import check_causal, load_whole, no_way
from frontier.errors import UnsupportedError

LARGE = 2_000_000_000
"""Bytes; protobuf's limit for one file. Beyond it the weights lie beside it, in model.onnx_data."""


class Onnx(Conversion):
    """An ONNX graph with a key-value cache, as it is or quantized."""

    weights: Literal["int8"] | None = None
    """By ONNX Runtime's dynamic quantization; unset: the model as it is, in `dtype`."""
    dtype: Literal["float32"] = "float32"

    def convert(self, checkpoint: Path, output: Path, texts: list[str]) -> ConversionResult:
        """Exports, and quantizes where asked to.

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
                # It would store a tied head once, as a transposed embedding; ONNX Runtime makes
                # two of them again when it loads it, and could not quantize the head.
                no_post_process=True,
            )
            large = sum(weight.nbytes for weight in model.parameters()) > LARGE
            del model
            layers = 0 if exported == output else _quantize(exported, output, large)
        copy_settings(checkpoint, output)
        return ConversionResult(layers)


def _load(checkpoint: Path) -> Any:
    """The model in float32, as transformers 4 sees it."""
    check_causal(checkpoint)
    with no_way("optimum cannot run it"):
        config = _runnable(transformers.AutoConfig.from_pretrained(checkpoint))
    return load_whole(checkpoint, config=config, dtype=torch.float32)


def _runnable(config: Any) -> Any:
    """The configuration as transformers 4 reads it. Raises UnsupportedError for what it cannot."""
    if config.model_type == "falcon" and config.new_decoder_architecture:
        raise UnsupportedError("optimum cannot export Falcon's new decoder architecture")
    if not isinstance(getattr(config, "num_attention_heads", None), int):
        raise UnsupportedError(f"optimum runs models with attention heads, not {config.model_type}")
    width = config.hidden_size // config.num_attention_heads
    if getattr(config, "head_dim", None) not in (None, width):
        raise UnsupportedError("optimum runs only heads of hidden size / heads in width")
    _read_rotary_settings(config)
    return config


def _read_rotary_settings(config: Any) -> None:
    """Give the model what transformers 5 saves in one block, which 4 keeps but does not read."""
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
    """Write the graph quantized; returns how many matrices are."""
    made = exported / "quantized.onnx"
    # Weights of 8 signed bits, a scale for each column: one form for every CPU. What a CPU without
    # VNNI does to be as exact is the engine's to ask for.
    quantize_dynamic(
        exported / "model.onnx",
        made,
        per_channel=True,
        weight_type=QuantType.QInt8,
        use_external_data_format=large,
    )
    graph = onnx.load(made)
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
