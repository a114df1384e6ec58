"""The tensors of llama.cpp's graphs, with its names and shapes.

llama.cpp accepts biases and some other tensors if present, and computes without missing ones, so
this lists the tensors that a configuration implies, for comparison with the files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from frontier.errors import UserError

Shapes = dict[str, tuple[int, ...]]
BLOCK = re.compile(r"^blk\.\d+\.")
COMPUTED_HERE = "rope_freqs.weight"


def check(config: Any, found: Mapping[str, tuple[int, ...]], sources: Mapping[str, str]) -> None:
    """Raises UserError unless the tensors found, by llama.cpp's names, are those of `config`.

    `sources` are their names in the checkpoint.
    """
    needed = shapes(config)
    for name in needed:
        if name not in found:
            raise UserError(f"the files lack {_own_name(name, sources)}")
    for name, shape in found.items():
        if name == COMPUTED_HERE:
            continue
        if name not in needed:
            raise UserError(f"the model of config.json has no place for {_own_name(name, sources)}")
        if shape != needed[name]:
            stored, wanted = (" x ".join(map(str, one)) for one in (shape, needed[name]))
            raise UserError(
                f"{_own_name(name, sources)} is {stored} in the files, and {wanted} according to "
                "config.json"
            )


def shapes(config: Any) -> Shapes:
    """All tensors of a configuration's model, with shapes as rows first."""
    family, hidden = config.model_type, config.hidden_size
    found: Shapes = {"token_embd.weight": (config.vocab_size, hidden)}
    if not config.tie_word_embeddings:
        found["output.weight"] = (config.vocab_size, hidden)
    if family == "gpt2":
        found["position_embd.weight"] = (config.max_position_embeddings, hidden)
    block = {"gpt2": _gpt2, "falcon": _falcon}.get(family, _llama)(config)
    biased = family in ("gpt2", "falcon")
    found |= _norm("output_norm", hidden, biased)
    for layer in range(config.num_hidden_layers):
        found |= {f"blk.{layer}.{name}": shape for name, shape in block.items()}
    return found


def inner_size(config: Any) -> int:
    """Width inside the MLP."""
    widths = ("intermediate_size", "ffn_hidden_size", "n_inner")
    found = (getattr(config, width, None) for width in widths)
    return int(next(filter(None, found), 4 * config.hidden_size))


def kv_heads(config: Any) -> int:
    """Key-value heads in the weights."""
    if config.model_type == "falcon":
        shared = config.multi_query and not config.new_decoder_architecture
        return 1 if shared else int(config.num_kv_heads)
    return int(getattr(config, "num_key_value_heads", None) or config.num_attention_heads)


def head_size(config: Any) -> int:
    """Width of a head."""
    given = getattr(config, "head_dim", None)
    return int(given or config.hidden_size // config.num_attention_heads)


def _llama(config: Any) -> Shapes:
    """A block of Llama, Mistral, Mixtral or Qwen 2."""
    hidden, inner, width = config.hidden_size, inner_size(config), head_size(config)
    queries, keys = config.num_attention_heads * width, kv_heads(config) * width
    found = _norm("attn_norm", hidden, False) | _norm("ffn_norm", hidden, False)
    attention = {"attn_q": queries, "attn_k": keys, "attn_v": keys}
    found |= {f"{name}.weight": (rows, hidden) for name, rows in attention.items()}
    found["attn_output.weight"] = (hidden, queries)
    if config.model_type == "qwen2" or getattr(config, "attention_bias", False):
        found |= {f"{name}.bias": (rows,) for name, rows in attention.items()}
    if getattr(config, "attention_bias", False):
        found["attn_output.bias"] = (hidden,)
    mlp: Shapes = {
        "ffn_gate": (inner, hidden),
        "ffn_up": (inner, hidden),
        "ffn_down": (hidden, inner),
    }
    if config.model_type == "mixtral":
        experts = config.num_local_experts
        found["ffn_gate_inp.weight"] = (experts, hidden)
        return found | {f"{name}_exps.weight": (experts, *shape) for name, shape in mlp.items()}
    if getattr(config, "mlp_bias", False):
        found |= {f"{name}.bias": shape[:1] for name, shape in mlp.items()}
    return found | {f"{name}.weight": shape for name, shape in mlp.items()}


def _gpt2(config: Any) -> Shapes:
    """A block of GPT-2."""
    hidden, inner = config.hidden_size, inner_size(config)
    matrices = {
        "attn_qkv": (3 * hidden, hidden),
        "attn_output": (hidden, hidden),
        "ffn_up": (inner, hidden),
        "ffn_down": (hidden, inner),
    }
    found = _norm("attn_norm", hidden, True) | _norm("ffn_norm", hidden, True)
    for name, shape in matrices.items():
        found |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return found


def _falcon(config: Any) -> Shapes:
    """A block of Falcon, with parallel attention and MLP."""
    hidden, inner = config.hidden_size, inner_size(config)
    rows = (config.num_attention_heads + 2 * kv_heads(config)) * head_size(config)
    found: Shapes = {
        "attn_qkv.weight": (rows, hidden),
        "attn_output.weight": (hidden, hidden),
        "ffn_up.weight": (inner, hidden),
        "ffn_down.weight": (hidden, inner),
    }
    found |= _norm("attn_norm", hidden, True)
    if config.new_decoder_architecture and config.num_ln_in_parallel_attn in (None, 2):
        found |= _norm("attn_norm_2", hidden, True)
    return found


def _norm(name: str, hidden: int, biased: bool) -> Shapes:
    found: Shapes = {f"{name}.weight": (hidden,)}
    return found | ({f"{name}.bias": (hidden,)} if biased else {})


def _own_name(name: str, sources: Mapping[str, str]) -> str:
    """A tensor's name in the checkpoint, derived from another block's if it is missing."""
    if name in sources:
        return sources[name]
    block = BLOCK.match(name)
    for other, source in sources.items():
        there = BLOCK.match(other)
        if block and there and other[there.end() :] == name[block.end() :]:
            number, its = (found.group().split(".")[1] for found in (block, there))
            return re.sub(rf"(?<=\.){its}(?=\.)", number, source, count=1)
    return name
