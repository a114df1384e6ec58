"""The size of a model's key-value cache, by its configuration."""

from __future__ import annotations

from typing import Any

CACHING = ("full_attention", "sliding_attention", "chunked_attention", "attention")
RECURRENT = ("linear_attention", "mamba", "recurrent", "conv", "moe")
"""transformers' names for kinds of layers, with and without a key-value cache."""


def kv_bytes_per_token(config: Any, width: int) -> int | None:
    """Bytes of the key-value cache per token: layers · kv_heads · head_dim · 2.

    `config` is a `Prompting`'s and `width` the bytes of one cached number. None if no cache grows
    (Mamba), or its growth is unknown.
    """
    config = config.get_text_config()
    heads = getattr(config, "num_attention_heads", None)
    caching = _caching_layers(config)
    if not isinstance(heads, int) or caching is None:
        return None
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // heads
    kv_heads = getattr(config, "num_key_value_heads", None) or heads
    if config.model_type == "falcon":
        # Falcon's new decoder (40B) has fewer key-value heads, but transformers caches them
        # broadcast to all of its heads.
        shared = config.multi_query and not config.new_decoder_architecture
        kv_heads = 1 if shared else heads
    return int(caching * kv_heads * head_dim * 2 * width)


def _caching_layers(config: Any) -> int | None:
    """The number of layers whose key-value cache grows with each token; None if unknown.

    Recurrent layers have a state of fixed size, and multi-head latent attention (DeepSeek) has
    heads of other widths.
    """
    if getattr(config, "kv_lora_rank", None) is not None:
        return None
    kinds = getattr(config, "layer_types", None)
    if not kinds:
        return int(config.num_hidden_layers)
    if not {*kinds} <= {*CACHING, *RECURRENT}:
        return None
    return sum(kind in CACHING for kind in kinds)
