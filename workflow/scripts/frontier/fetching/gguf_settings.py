"""The configuration in a GGUF file, as the config.json in which transformers has it."""

from __future__ import annotations

from typing import Any

from frontier.checkpoints.gguf_header import GgufHeader
from frontier.errors import UserError
from frontier.fetching import own_code
from frontier.text import shown

NAMES = {
    "gemma3": "gemma3_text",
    "qwen2moe": "qwen2_moe",
    "qwen3moe": "qwen3_moe",
    "gpt-oss": "gpt_oss",
    "command-r": "cohere",
}
"""transformers' names of architectures that llama.cpp calls otherwise."""
SIZES = {
    "hidden_size": "embedding_length",
    "num_hidden_layers": "block_count",
    "num_attention_heads": "attention.head_count",
    "num_key_value_heads": "attention.head_count_kv",
    "head_dim": "attention.key_length",
    "intermediate_size": "feed_forward_length",
    "max_position_embeddings": "context_length",
    "num_local_experts": "expert_count",
    "num_experts_per_tok": "expert_used_count",
}
EMBEDDING = "token_embd.weight"
ENDS = ("eos", "eot", "eom")


def config(header: GgufHeader) -> dict[str, Any]:
    """A config.json with the sizes of the model. Raises UserError for an unknown family."""
    kind = _kind(header)
    found = {name: header.of_family(key) for name, key in SIZES.items()}
    found["num_key_value_heads"] = found["num_key_value_heads"] or found["num_attention_heads"]
    sizes = {name: size for name, size in found.items() if isinstance(size, int) and size}
    for name in ("hidden_size", "num_hidden_layers"):
        if name not in sizes:
            raise UserError(f"it has no {header.architecture}.{SIZES[name]}")
    if kind == "falcon":
        groups = sizes.get("num_key_value_heads", 1)
        sizes |= {"num_kv_heads": groups, "new_decoder_architecture": groups > 1}
    ends = [token(header, role) for role in ENDS]
    known = list(dict.fromkeys(one for one in ends if one is not None))
    return {
        "model_type": kind,
        **sizes,
        "vocab_size": rows(header),
        "bos_token_id": token(header, "bos"),
        "eos_token_id": known or None,
        "tie_word_embeddings": "output.weight" not in header.tensors,
    }


def token(header: GgufHeader, role: str) -> int | None:
    """The id of the token with a role, such as `bos`; None without one."""
    found = header.keys.get(f"tokenizer.ggml.{role}_token_id")
    return found if isinstance(found, int) and 0 <= found < rows(header) else None


def rows(header: GgufHeader) -> int:
    """The rows of the embedding. Raises UserError without one."""
    embedding = header.tensors.get(EMBEDDING)
    if embedding is None or len(embedding.shape) != 2:
        raise UserError("it has no weights of a language model")
    return embedding.shape[0]


def _kind(header: GgufHeader) -> str:
    """transformers' model_type. Raises UserError for what it has no language model for."""
    if header.keys.get("general.type", "model") != "model":
        raise UserError(f"it is of the type {shown(header.keys['general.type'])}, not a model")
    family = header.architecture
    kind = "mixtral" if family == "llama" and header.of_family("expert_count") else family
    kind = NAMES.get(kind, kind)
    if not kind or not own_code.in_transformers(kind):
        raise UserError(f"its architecture {shown(family)} is not known here")
    return kind
