"""GGUF files with any keys and tensors, written by hand after the format's description."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ALIGNED = 32
F32 = 0
WORDS = ["<s>", "</s>", *(chr(at) for at in range(ord("a"), ord("z") + 1)), "ab", "Ġ"]
KEYS: dict[str, Any] = {
    "general.architecture": "llama", "llama.embedding_length": 8, "llama.block_count": 1,
    "llama.attention.head_count": 2, "llama.context_length": 64, "llama.feed_forward_length": 16,
    "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "gpt-2", "tokenizer.ggml.tokens": WORDS,
    "tokenizer.ggml.token_type": [3, 3, *([1] * (len(WORDS) - 2))],
    "tokenizer.ggml.merges": ["a b"], "tokenizer.ggml.bos_token_id": 0,
    "tokenizer.ggml.eos_token_id": 1, "general.license": "mit",
}  # fmt: skip
TENSORS = {"token_embd.weight": (len(WORDS), 8), "blk.0.attn_q.weight": (8, 8)}


def content(
    keys: Mapping[str, Any] = KEYS, tensors: Mapping[str, tuple[int, ...]] = TENSORS
) -> bytes:
    """A whole file; its numbers are zeros in float32."""
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys))
    for name, value in keys.items():
        head += _text(name) + _value(value)
    at = 0
    for name, shape in tensors.items():
        head += _text(name) + struct.pack(f"<I{len(shape)}Q", len(shape), *shape[::-1])
        head += struct.pack("<IQ", F32, at)
        size = 4
        for side in shape:
            size *= side
        at += -(-size // ALIGNED) * ALIGNED
    return head + bytes(-len(head) % ALIGNED) + bytes(at)


def write(path: Path, **changes: Any) -> Path:
    """A small Llama's file; `changes` are to its keys with dots as double underscores."""
    changed = {name.replace("__", "."): value for name, value in changes.items()}
    keys = {name: value for name, value in (KEYS | changed).items() if value is not None}
    path.write_bytes(content(keys))
    return path


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def _value(value: Any) -> bytes:
    kind, body = _typed(value)
    return struct.pack("<I", kind) + body


def _typed(value: Any) -> tuple[int, bytes]:
    if isinstance(value, bool):
        return 7, struct.pack("<?", value)
    if isinstance(value, int):
        return 4, struct.pack("<I", value)
    if isinstance(value, float):
        return 6, struct.pack("<f", value)
    if isinstance(value, str):
        return 8, _text(value)
    if value and isinstance(value[0], int):  # types of tokens
        return 9, struct.pack(f"<IQ{len(value)}i", 5, len(value), *value)
    parts = [_typed(one) for one in value]
    body = struct.pack("<IQ", parts[0][0], len(parts)) + b"".join(part for _, part in parts)
    return 9, body
