"""Configurations of models as published on the hub, as far as they decide shapes.

From the models' public config.json; what transformers has as its default is left out. A checkpoint
of any size is written as a sparse file, which takes no room on the disk.
"""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from typing import Any

import torch
import transformers

LLAMA2_7B = {
    "model_type": "llama", "hidden_size": 4096, "intermediate_size": 11_008, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 32, "vocab_size": 32_000, "tie_word_embeddings": False,
}  # fmt: skip
LLAMA3 = {"model_type": "llama", "vocab_size": 128_256, "num_key_value_heads": 8}
GEMMA3_1B = {
    "model_type": "gemma3_text", "vocab_size": 262_144, "hidden_size": 1152, "intermediate_size": 6912,
    "num_hidden_layers": 26, "num_attention_heads": 4, "num_key_value_heads": 1, "head_dim": 256,
}  # fmt: skip
QWEN2 = {"model_type": "qwen2"}
QWEN3 = {"model_type": "qwen3", "vocab_size": 151_936, "head_dim": 128, "num_key_value_heads": 8}

CONFIGS: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("llama2-7b", "llama2-7b-base", "llama2-7b-tweetsumm"), LLAMA2_7B),
    "llama2-13b": {
        "model_type": "llama", "hidden_size": 5120, "intermediate_size": 13_824, "num_hidden_layers": 40,
        "num_attention_heads": 40, "num_key_value_heads": 40, "vocab_size": 32_000, "tie_word_embeddings": False,
    },
    "falcon7b": {
        "model_type": "falcon", "hidden_size": 4544, "num_hidden_layers": 32, "num_attention_heads": 71,
        "vocab_size": 65_024, "multi_query": True, "new_decoder_architecture": False, "parallel_attn": True, "bias": False,
    },
    "falcon40b": {
        "model_type": "falcon", "hidden_size": 8192, "num_hidden_layers": 60, "num_attention_heads": 128, "num_kv_heads": 8,
        "vocab_size": 65_024, "new_decoder_architecture": True, "parallel_attn": True, "bias": False,
    },
    "gpt2": {"model_type": "gpt2", "n_embd": 768, "n_layer": 12, "n_head": 12, "vocab_size": 50_257},
    "gpt2-xl": {"model_type": "gpt2", "n_embd": 1600, "n_layer": 48, "n_head": 25, "vocab_size": 50_257},
    "llama3.2-1b": LLAMA3 | {
        "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16, "num_attention_heads": 32,
        "head_dim": 64, "tie_word_embeddings": True,
    },
    "llama3.2-3b": LLAMA3 | {
        "hidden_size": 3072, "intermediate_size": 8192, "num_hidden_layers": 28, "num_attention_heads": 24,
        "head_dim": 128, "tie_word_embeddings": True,
    },
    "qwen2.5-0.5b": QWEN2 | {
        "hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24, "num_attention_heads": 14,
        "num_key_value_heads": 2, "vocab_size": 151_936, "tie_word_embeddings": True,
    },
    "qwen2.5-1.5b": QWEN2 | {
        "hidden_size": 1536, "intermediate_size": 8960, "num_hidden_layers": 28, "num_attention_heads": 12,
        "num_key_value_heads": 2, "vocab_size": 151_936, "tie_word_embeddings": True,
    },
    "qwen2.5-7b": QWEN2 | {
        "hidden_size": 3584, "intermediate_size": 18_944, "num_hidden_layers": 28, "num_attention_heads": 28,
        "num_key_value_heads": 4, "vocab_size": 152_064, "tie_word_embeddings": False,
    },
    "smollm2-135m": {
        "model_type": "llama", "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30,
        "num_attention_heads": 9, "num_key_value_heads": 3, "vocab_size": 49_152, "tie_word_embeddings": True,
    },
    "mixtral-8x7b": {
        "model_type": "mixtral", "hidden_size": 4096, "intermediate_size": 14_336, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 32_000, "num_local_experts": 8,
        "num_experts_per_tok": 2, "tie_word_embeddings": False,
    },
    "llama3.1-8b": LLAMA3 | {
        "hidden_size": 4096, "intermediate_size": 14_336, "num_hidden_layers": 32, "num_attention_heads": 32,
        "tie_word_embeddings": False,
    },
    "llama3.1-70b": LLAMA3 | {
        "hidden_size": 8192, "intermediate_size": 28_672, "num_hidden_layers": 80, "num_attention_heads": 64,
        "tie_word_embeddings": False,
    },
    "llama3.3-70b": LLAMA3 | {
        "hidden_size": 8192, "intermediate_size": 28_672, "num_hidden_layers": 80, "num_attention_heads": 64,
        "tie_word_embeddings": False,
    },
    "qwen3-0.6b": QWEN3 | {
        "hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28, "num_attention_heads": 16,
        "tie_word_embeddings": True,
    },
    "qwen3-1.7b": QWEN3 | {
        "hidden_size": 2048, "intermediate_size": 6144, "num_hidden_layers": 28, "num_attention_heads": 16,
        "tie_word_embeddings": True,
    },
    "qwen3-4b": QWEN3 | {
        "hidden_size": 2560, "intermediate_size": 9728, "num_hidden_layers": 36, "num_attention_heads": 32,
        "tie_word_embeddings": True,
    },
    "qwen3-8b": QWEN3 | {
        "hidden_size": 4096, "intermediate_size": 12_288, "num_hidden_layers": 36, "num_attention_heads": 32,
        "tie_word_embeddings": False,
    },
    "qwen3-14b": QWEN3 | {
        "hidden_size": 5120, "intermediate_size": 17_408, "num_hidden_layers": 40, "num_attention_heads": 40,
        "tie_word_embeddings": False,
    },
    "qwen3-32b": QWEN3 | {
        "hidden_size": 5120, "intermediate_size": 25_600, "num_hidden_layers": 64, "num_attention_heads": 64,
        "tie_word_embeddings": False,
    },
    "qwen3-30b-a3b": {
        "model_type": "qwen3_moe", "vocab_size": 151_936, "hidden_size": 2048, "intermediate_size": 6144,
        "moe_intermediate_size": 768, "num_hidden_layers": 48, "num_attention_heads": 32, "num_key_value_heads": 4,
        "head_dim": 128, "num_experts": 128, "num_experts_per_tok": 8, "tie_word_embeddings": False,
    },
    **dict.fromkeys(("gemma3-1b", "gemma3-1b-qat"), GEMMA3_1B),
    "bitnet-2b": {
        "model_type": "bitnet", "vocab_size": 128_256, "hidden_size": 2560, "intermediate_size": 6912,
        "num_hidden_layers": 30, "num_attention_heads": 20, "num_key_value_heads": 5, "tie_word_embeddings": True,
        "hidden_act": "relu2",
        "quantization_config": {"quant_method": "bitnet", "linear_class": "autobitlinear", "quantization_mode": "offline"},
    },
    "phi4": {
        "model_type": "phi3", "vocab_size": 100_352, "hidden_size": 5120, "intermediate_size": 17_920,
        "num_hidden_layers": 40, "num_attention_heads": 40, "num_key_value_heads": 10, "pad_token_id": 100_349, "tie_word_embeddings": False,
    },
    "mistral-small-24b": {
        "model_type": "mistral", "vocab_size": 131_072, "hidden_size": 5120, "intermediate_size": 32_768,
        "num_hidden_layers": 40, "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "tie_word_embeddings": False,
    },
    "r1-distill-qwen-1.5b": QWEN2 | {
        "hidden_size": 1536, "intermediate_size": 8960, "num_hidden_layers": 28, "num_attention_heads": 12,
        "num_key_value_heads": 2, "vocab_size": 151_936, "tie_word_embeddings": False,
    },
    "r1-distill-qwen-7b": QWEN2 | {
        "hidden_size": 3584, "intermediate_size": 18_944, "num_hidden_layers": 28, "num_attention_heads": 28,
        "num_key_value_heads": 4, "vocab_size": 152_064, "tie_word_embeddings": False,
    },
    "r1-distill-llama-8b": LLAMA3 | {
        "hidden_size": 4096, "intermediate_size": 14_336, "num_hidden_layers": 32, "num_attention_heads": 32,
        "tie_word_embeddings": False,
    },
    "smollm3-3b": {
        "model_type": "smollm3", "vocab_size": 128_256, "hidden_size": 2048, "intermediate_size": 11_008,
        "num_hidden_layers": 36, "num_attention_heads": 16, "num_key_value_heads": 4, "tie_word_embeddings": True,
    },
    "gpt-oss-20b": {
        "model_type": "gpt_oss", "vocab_size": 201_088, "hidden_size": 2880, "intermediate_size": 2880,
        "num_hidden_layers": 24, "num_attention_heads": 64, "num_key_value_heads": 8, "head_dim": 64,
        "num_local_experts": 32, "num_experts_per_tok": 4, "tie_word_embeddings": False,
        "quantization_config": {"quant_method": "mxfp4"},
    },
}  # fmt: skip
NAMES = {torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16"}


def write(folder: Path, config: dict[str, Any], dtype: str) -> Path:
    """A checkpoint's folder of that configuration, with weights that take no room."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    read = transformers.AutoConfig.from_pretrained(folder)
    if hasattr(read, "quantization_config"):
        del read.quantization_config
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(read, dtype=getattr(torch, dtype))
    sparse(folder / "model.safetensors", _stored(model))
    return folder


def _stored(model: Any) -> dict[str, tuple[str, list[int]]]:
    """The tensors that are stored: one for those that are the same."""
    seen: set[int] = set()
    found = {}
    for name, tensor in model.named_parameters():
        if id(tensor) not in seen:
            seen.add(id(tensor))
            found[name] = (NAMES[tensor.dtype], list(tensor.shape))
    return found


def sparse(path: Path, tensors: dict[str, tuple[str, list[int]]]) -> None:
    """Writes a safetensors file with a header and no numbers."""
    at, header = 0, {}
    widths = {
        "F32": 4,
        "BF16": 2,
        "F16": 2,
        "I32": 4,
        "I16": 2,
        "U8": 1,
        "I8": 1,
        "F8_E4M3": 1,
        "I64": 8,
    }
    for name, (dtype, shape) in tensors.items():
        size = widths[dtype]
        for side in shape:
            size *= side
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text)
    os.truncate(path, 8 + len(text) + at)
