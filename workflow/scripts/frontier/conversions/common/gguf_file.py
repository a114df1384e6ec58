"""GGUF files: a header with hyperparameters and vocabulary, then the tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from frontier.conversions.common import gguf_tensors, gguf_vocabulary
from frontier.conversions.common.weights import STORED, Tensor
from frontier.errors import UnsupportedError

Begun = Callable[[Path], gguf.GGUFWriter]
"""Begins a file: its writer has the header."""

FAMILIES = {
    "llama": gguf.MODEL_ARCH.LLAMA,
    "mistral": gguf.MODEL_ARCH.LLAMA,
    "mixtral": gguf.MODEL_ARCH.LLAMA,
    "qwen2": gguf.MODEL_ARCH.QWEN2,
    "gpt2": gguf.MODEL_ARCH.GPT2,
    "falcon": gguf.MODEL_ARCH.FALCON,
}
HALF = float(np.finfo(np.float16).max)
WHOLE = {name: gguf.GGMLQuantizationType[name] for name in STORED}
PRECISE = ("position_embd.weight", "ffn_gate_inp.weight")  # never quantized by llama.cpp


def begun(checkpoint: Path, config: Any) -> Begun:
    """Returns the function that begins a file: with hyperparameters and vocabulary."""
    architecture = gguf.MODEL_ARCH_NAMES[FAMILIES[config.model_type]]

    def described(path: Path) -> gguf.GGUFWriter:
        writer = gguf.GGUFWriter(path, architecture)
        _describe(writer, config)
        return writer

    add_vocabulary = gguf_vocabulary.fitting(checkpoint, config.vocab_size, described)

    def whole(path: Path) -> gguf.GGUFWriter:
        add_vocabulary(writer := described(path))
        return writer

    return whole


def write(
    path: Path,
    begun: Begun,
    arranged: Sequence[Tensor],
    kind: gguf.GGMLQuantizationType,
) -> None:
    """Writes the file: matrices as `kind`, vectors and other precise tensors as float32."""
    writer = begun(path)
    kinds = [
        WHOLE["F32"] if len(tensor.shape) == 1 or tensor.name.endswith(PRECISE) else kind
        for tensor in arranged
    ]
    for tensor, its in zip(arranged, kinds, strict=True):
        size = tensor.size * gguf.GGML_QUANT_SIZES[its][1]
        writer.add_tensor_info(tensor.name, tensor.shape, np.dtype("float32"), size, its)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for tensor, its in zip(arranged, kinds, strict=True):
        numbers = np.ascontiguousarray(tensor.read())
        if its is WHOLE["F16"] and np.abs(numbers).max(initial=0) > HALF:
            raise UnsupportedError(f"{tensor.name} has weights beyond the range of float16")
        writer.write_tensor_data(gguf.quantize(numbers, its))
    writer.close()


def _describe(writer: gguf.GGUFWriter, config: Any) -> None:
    """The model's hyperparameters under llama.cpp's names."""
    hidden, heads = config.hidden_size, config.num_attention_heads
    # llama.cpp's graph would not limit attention to a sliding window.
    window = getattr(config, "sliding_window", None) or config.max_position_embeddings
    head_dim = gguf_tensors.head_size(config)
    writer.add_vocab_size(config.vocab_size)
    writer.add_context_length(min(window, config.max_position_embeddings))
    writer.add_embedding_length(hidden)
    writer.add_feed_forward_length(gguf_tensors.inner_size(config))
    writer.add_block_count(config.num_hidden_layers)
    writer.add_head_count(heads)
    writer.add_head_count_kv(gguf_tensors.kv_heads(config))
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    if hasattr(config, "rms_norm_eps"):
        writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    else:
        writer.add_layer_norm_eps(config.layer_norm_epsilon)
    if getattr(config, "rope_parameters", None):
        writer.add_rope_dimension_count(head_dim)
        writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    if config.model_type == "mixtral":
        writer.add_expert_count(config.num_local_experts)
        writer.add_expert_used_count(config.num_experts_per_tok)
