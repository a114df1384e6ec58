"""What a checkpoint folder holds, read from its files alone: no weight is loaded."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from frontier import contents
from frontier.errors import UserError
from frontier.safetensor_files import CONFIG, Tensor, header, json_object, weight_files

# What transformers reads: configuration, safetensors, tokenizer, chat template. Nothing that runs.
TAKE = (
    "[!.]*.json",
    "model*.safetensors",
    "*.model",
    "*.tiktoken",
    "*.jinja",
    "vocab.txt",
    "merges.txt",
)
LEAVE = ("*.bin.index.json", "lock.json")
SUBFOLDERS = "*/*"
TOKENIZER = re.compile(
    r"tokenizer.*|vocab\..*|merges\.txt|spiece\.model|special_tokens_map\.json|added_tokens\.json"
    r"|.*\.tiktoken"
)
DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
    "BOOL": "bool",
}
# Stored, but no parameters: GPT-2's causal masks and the rotary frequencies.
BUFFER = re.compile(r"(\.attn\.(masked_)?bias|\.rotary_emb\.inv_freq)$")


def describe(folder: Path) -> dict[str, Any]:
    """The facts of a checkpoint, JSON-able: what its lock holds besides where it came from.

    bytes and sha256 of each file, `weights_sha256` over all weights, `weights_bytes`, `parameters`
    (buffers not counted), `dtype` of most of them, `architecture`, tokenizer and template hashes.
    Raises UserError naming the file that is missing, truncated or invalid.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder")
    config = json_object(folder / CONFIG)
    if not isinstance(config.get("model_type"), str):
        raise UserError(
            f"{folder / CONFIG}: no 'model_type', so this is no transformers checkpoint"
        )
    weights = weight_files(folder)
    parameters, dtype = _parameters([header(path) for path in weights])
    shas = {path.name: contents.digest(path) for path in _relevant(folder)}
    return {
        "files": {
            name: {"bytes": (folder / name).stat().st_size, "sha256": sha}
            for name, sha in shas.items()
        },
        "weights_sha256": _digest(sorted(shas[path.name] for path in weights)),
        "weights_bytes": sum(path.stat().st_size for path in weights),
        "parameters": parameters,
        "dtype": dtype,
        "architecture": architecture(config),
        "tokenizer_sha256": _tokenizer(shas),
        "chat_template_sha256": _chat_template(folder),
    }


def _relevant(folder: Path) -> list[Path]:
    """The files of a folder that transformers may read; those in sub-folders are other formats."""
    return [
        path
        for path in sorted(folder.iterdir())
        if path.is_file()
        and any(path.match(glob) for glob in TAKE)
        and not any(path.match(glob) for glob in LEAVE)
    ]


def _parameters(headers: list[dict[str, Tensor]]) -> tuple[int, str]:
    """How many parameters there are, and the dtype of most of them."""
    counts: Counter[str] = Counter()
    for tensors in headers:
        for name, tensor in tensors.items():
            if not BUFFER.search(name):
                counts[tensor.dtype] += math.prod(tensor.shape)
    if not counts:
        return 0, "float32"
    dtype = counts.most_common(1)[0][0]
    return counts.total(), DTYPES.get(dtype, dtype.lower())


def architecture(config: Mapping[str, Any]) -> dict[str, Any]:
    """Sizes that memory and bandwidth are reckoned from; null where the config does not tell.

    `kv_heads` are those of the architecture, by each family's own convention. transformers' cache
    holds as many, but for Falcon's newer decoder, whose keys it repeats for every head.
    """

    def first(*names: str) -> int | None:
        values = (config.get(name) for name in names)
        return next((int(value) for value in values if isinstance(value, int | float)), None)

    heads = first("num_attention_heads", "n_head")
    hidden = first("hidden_size", "n_embd")
    head_dim = first("head_dim")
    if head_dim is None and heads and hidden:
        head_dim = hidden // heads
    context = first("max_position_embeddings", "n_positions", "n_ctx")
    if config["model_type"] == "falcon":
        context = context or 2048  # FalconConfig's default; older files leave it out
        kv_heads: int | None = heads
        if config.get("new_decoder_architecture"):
            kv_heads = first("num_kv_heads", "n_head_kv") or heads
        elif config.get("multi_query", True):
            kv_heads = 1
    else:
        kv_heads = first("num_key_value_heads") or heads
    return {
        "model_type": config["model_type"],
        "layers": first("num_hidden_layers", "n_layer"),
        "heads": heads,
        "kv_heads": kv_heads,
        "head_dim": head_dim,
        "hidden": hidden,
        "vocabulary": first("vocab_size"),
        "context": context,
        "experts": first("num_local_experts"),
        "experts_per_token": first("num_experts_per_tok"),
    }


def _tokenizer(shas: Mapping[str, str]) -> str | None:
    found = sorted(item for item in shas.items() if TOKENIZER.fullmatch(item[0]))
    return _digest(found) if found else None


def _chat_template(folder: Path) -> str | None:
    """The hash of the chat template's text, from its own file or the tokenizer's configuration."""
    own = folder / "chat_template.jinja"
    if own.is_file():
        return contents.digest(own)
    if (folder / "tokenizer_config.json").is_file():
        template = json_object(folder / "tokenizer_config.json").get("chat_template")
        if isinstance(template, str):
            return hashlib.sha256(template.encode()).hexdigest()
        if template:
            return _digest(template)
    return None


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
