"""What a checkpoint folder holds, read from its files alone: no weight is loaded."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from frontier import contents
from frontier.errors import UserError

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
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
MAX_HEADER_BYTES = 100_000_000  # the format's own limit


class Tensor(NamedTuple):
    """What a safetensors header tells of a tensor; the offsets are in bytes from its end."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def describe(folder: Path) -> dict[str, Any]:
    """The facts of a checkpoint, JSON-able: what its lock holds besides where it came from.

    bytes and sha256 of each file, `weights_sha256` over all weights, `weights_bytes`, `parameters`
    (buffers not counted), `dtype` of most of them, `architecture`, tokenizer and template hashes.
    Raises UserError naming the file that is missing, truncated or invalid.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder")
    config = _json(folder / CONFIG)
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


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a checkpoint, as its index lists them.

    Raises UserError where there are none or one of them is missing.
    """
    if (folder / INDEX).is_file():
        listed = _json(folder / INDEX).get("weight_map")
        if not isinstance(listed, dict) or not listed:
            raise UserError(f"{folder / INDEX}: no 'weight_map'")
        found = [folder / name for name in sorted(set(map(str, listed.values())))]
        for path in found:
            if not path.is_file():
                raise UserError(f"{path}: missing, though {INDEX} lists it")
        return found
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    others = sorted(path.name for path in folder.glob("*.bin"))
    raise UserError(
        f"{folder}: no safetensors weights ({WEIGHTS})"
        + (f"; {others[0]} is a pickle, which may run code and is not loaded" if others else "")
    )


def header(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file by name.

    The format: 8 bytes with the header's length (little endian), the header as JSON, the data.
    Raises UserError where the file is truncated or no safetensors file.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > MAX_HEADER_BYTES:
            raise UserError(f"{path}: not a safetensors file")
        raw = file.read(length)
    if len(raw) < length:
        raise UserError(f"{path}: truncated within its header ({size:,} bytes)")
    try:
        found = json.loads(raw)
        found.pop("__metadata__", None)
        tensors = {
            name: Tensor(str(told["dtype"]), tuple(map(int, told["shape"])), *told["data_offsets"])
            for name, told in found.items()
        }
        end = max((int(tensor.end) for tensor in tensors.values()), default=0)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError):
        raise UserError(f"{path}: not a safetensors file (its header cannot be read)") from None
    if size != 8 + length + end:
        state = "truncated" if size < 8 + length + end else "longer than its header tells"
        raise UserError(f"{path}: {state} ({size:,} bytes instead of {8 + length + end:,})")
    return tensors


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
        template = _json(folder / "tokenizer_config.json").get("chat_template")
        if isinstance(template, str):
            return hashlib.sha256(template.encode()).hexdigest()
        if template:
            return _digest(template)
    return None


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _json(path: Path) -> dict[str, Any]:
    """A JSON object from a file. Raises UserError where it is missing or none."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: missing") from None
    except ValueError as error:
        raise UserError(f"{path}: not valid JSON ({error})") from None
    if not isinstance(value, dict):
        raise UserError(f"{path}: not a JSON object")
    return value
