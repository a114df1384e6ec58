"""Facts of a checkpoint folder, read from its files without loading any weight."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, TypeGuard

from frontier.checkpoints import published, weight_values
from frontier.checkpoints.experts import COUNTS, USED
from frontier.checkpoints.parameters import counted, packed_bits
from frontier.checkpoints.safetensor_files import CONFIG, chosen, headers, json_object
from frontier.errors import UserError
from frontier.fetching import contents, own_code

SETTINGS = (
    *("config.json", "generation_config.json", "quantize_config.json", "quant_config.json"),
    *("tokenizer*.json", "special_tokens_map.json", "added_tokens.json", "chat_template.jinja"),
    *("vocab*.json", "vocab.txt", "merges.txt", "*.model", "tokenizer.model.*", "*.tiktoken"),
    *("tekken.json", "bpe.codes", "dict.txt", "emoji.json", "prophetnet.tokenizer"),
)
"""Globs of the files that transformers reads apart from the weights: configuration, tokenizer."""
OWN_CODE = ("*.py", "*.json", "*.txt", "*.bpe", "*.vocab")
"""Globs of the files that a checkpoint's own code may read as well."""
NO_SETTINGS = (".*", "*/*", "lock.json", "*.index.json")
TOKENIZER = re.compile(
    r"tokenizer.*|vocab.*|merges\.txt|.*\.model|special_tokens_map\.json|added_tokens\.json"
    r"|.*\.tiktoken|tekken\.json"
)


def read_files(folder: Path, trusted: bool = False) -> list[str]:
    """The names of the files that loading reads; changes to any others do not matter.

    `trusted`: the checkpoint's own code may run. Raises UserError if no checkpoint can be read.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: {'a file, not a' if folder.exists() else 'no such'} folder")
    if not (folder / CONFIG).is_file():
        raise UserError(f"{folder / CONFIG}: missing")
    own_code.check(folder, trusted, lambda name: (folder / name).is_file())
    weights = chosen(folder)
    names = (path.name for path in folder.iterdir() if path.is_file())
    settings = (name for name in names if is_setting(name, trusted))
    return sorted({*settings, *filter(None, (weights.index, *weights.files))})


def settings_globs(trusted: bool = False) -> tuple[str, ...]:
    """Globs of the files that loading reads apart from the weights; see also NO_SETTINGS."""
    return (*SETTINGS, *(OWN_CODE if trusted else ()))


def is_setting(name: str, trusted: bool = False) -> bool:
    """True if loading reads a file of that name apart from the weights; never in sub-folders."""
    return any(fnmatchcase(name, glob) for glob in settings_globs(trusted)) and not any(
        fnmatchcase(name, glob) for glob in NO_SETTINGS
    )


def describe(folder: Path, trusted: bool = False) -> dict[str, Any]:
    """The facts of a checkpoint that its lock records apart from the source, JSON-able.

    bytes and sha256 of each file, `weights_sha256` over all weights, `weights_bytes`, `parameters`
    (buffers not counted; null if some are packed in an unknown number of bits), `dtype` of most
    that are not packed, `architecture`, tokenizer and template hashes.
    Raises UserError naming the file that is missing, truncated or invalid, or a tensor without
    numbers.
    """
    names = read_files(folder, trusted)
    config = _sizes(json_object(folder / CONFIG))
    if not isinstance(config.get("model_type"), str):
        raise UserError(
            f"{folder / CONFIG}: no 'model_type', so this is not a transformers checkpoint"
        )
    weight_values.check_values(folder)
    weights = chosen(folder).files
    tensors = {name: one for _, part in headers(folder) for name, one in part.items()}
    parameters = counted(tensors, packed_bits(published.settings(config)), tied=False)
    shas = {name: contents.digest(folder / name) for name in names}
    return {
        "files": {
            name: {"bytes": (folder / name).stat().st_size, "sha256": sha}
            for name, sha in shas.items()
        },
        "weights_sha256": _digest(sorted(shas[name] for name in weights)),
        "weights_bytes": sum((folder / name).stat().st_size for name in weights),
        "parameters": parameters.total,
        "dtype": parameters.dtype,
        "architecture": architecture(config),
        "tokenizer_sha256": _tokenizer(shas),
        "chat_template_sha256": _chat_template(folder),
    }


def _sizes(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration; of a draft head in the layout of speculators, the part with its sizes."""
    part = config.get("transformer_layer_config")
    return part if "speculators_model_type" in config and isinstance(part, dict) else config


def architecture(config: Mapping[str, Any]) -> dict[str, Any]:
    """Sizes from which memory and bandwidth are computed; null if the config has none.

    `kv_heads` follows each family's own convention. transformers' cache holds as many, except for
    Falcon's newer decoder, whose keys it repeats for every head.
    """

    def first(*names: str) -> int | None:
        values = (config.get(name) for name in names)
        # Python reads infinity and NaN from JSON.
        return next((int(value) for value in values if _is_number(value)), None)

    heads = first("num_attention_heads", "n_head")
    hidden = first("hidden_size", "n_embd")
    head_dim = first("head_dim")
    if head_dim is None and heads and hidden:
        head_dim = hidden // heads
    context = first("max_position_embeddings", "n_positions", "n_ctx")
    if config["model_type"] == "falcon":
        context = context or 2048  # FalconConfig's default, absent from older files
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
        "experts": first(*COUNTS),
        "experts_per_token": first(*USED),
    }


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))


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
