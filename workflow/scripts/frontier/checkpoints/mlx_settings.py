"""A checkpoint's settings as mlx-lm reads them, and the models that it would compute otherwise.

mlx-lm ignores the keys of config.json that it does not know, and has defaults of its own for those
that are absent. So it gets every setting, transformers' defaults included, and a model with a
setting that it would ignore is refused.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from frontier.errors import Reason, UnsupportedError

FAMILIES = (
    "gemma3_text", "gpt2", "llama", "mistral", "mixtral", "phi3", "qwen2", "qwen3", "qwen3_moe",
    "smollm3",
)  # fmt: skip
"""The architectures whose answers are tested to be those of transformers."""
SCALED = {"llama": ("default", "llama3")}
"""Types of rotary positions by family, likewise; others have the default one."""
SLIDING = "sliding_attention"

WITHOUT_EFFECT = frozenset({
    "_name_or_path", "architectures", "attention_dropout", "attn_pdrop", "bos_token_id",
    "chunk_size_feed_forward", "dtype", "embd_pdrop", "eos_token_id", "id2label",
    "initializer_range", "label2id", "max_position_embeddings", "output_attentions",
    "output_hidden_states", "output_router_logits", "pad_token_id", "pretraining_tp",
    "problem_type", "resid_pdrop", "return_dict", "router_aux_loss_coef", "router_jitter_noise",
    "summary_activation", "summary_first_dropout", "summary_proj_to_labels", "summary_type",
    "summary_use_proj", "transformers_version", "use_cache",
})  # fmt: skip
"""Settings that change no answer: of training, of other tasks, or applied by us."""
TRANSLATED = frozenset({
    "_sliding_window_pattern", "layer_types", "max_window_layers", "rope_parameters",
    "sliding_window", "use_sliding_window",
})  # fmt: skip
"""Settings that `settings_of` and `window_of` treat."""


def unreadable(architecture: str | None) -> Reason | None:
    """The reason why a model of that architecture does not run; None if it does, or is unknown."""
    if architecture is None or architecture in FAMILIES:
        return None
    return f"mlx-lm's {architecture} is not tested: it runs {', '.join(FAMILIES)}"


def settings_of(config: Any) -> dict[str, Any]:
    """All of a model's settings, by mlx-lm's names; `config` is transformers'.

    Raises UnsupportedError for rotary positions that are not tested.
    """
    found: dict[str, Any] = config.to_dict()
    found |= {name: getattr(config, name) for name in type(config).attribute_map}
    found["head_dim"] = found.get("head_dim") or _width(config)
    found |= _rotary(config)
    if config.model_type == "gpt2":
        found["n_ctx"] = config.n_positions
    if config.model_type == "gemma3_text":
        found["sliding_window_pattern"] = _pattern(config)
    return found


def _rotary(config: Any) -> dict[str, Any]:
    """The keys for rotary positions that transformers 5 has in one block."""
    block = dict(getattr(config, "rope_parameters", None) or {})
    if SLIDING in block:  # a block for each type of layer
        _check_rotary(config.model_type, block[SLIDING])
        local, block = block[SLIDING]["rope_theta"], dict(block["full_attention"])
        found = {"rope_local_base_freq": local}
    else:
        found = {}
    if not block:
        return found
    kind = _check_rotary(config.model_type, block)
    found |= {
        name: block[name] for name in ("rope_theta", "partial_rotary_factor") if name in block
    }
    return found | {"rope_scaling": None if kind == "default" else block}


def _check_rotary(family: str, block: Mapping[str, Any]) -> str:
    """The type of rotary positions. Raises UnsupportedError if it is not tested."""
    kind: str = block.get("rope_type", "default")
    if kind not in SCALED.get(family, ("default",)):
        raise UnsupportedError(f"mlx-lm's {family} is not tested with rotary positions of {kind!r}")
    return kind


def _pattern(config: Any) -> int:
    """The place of the first layer of Gemma that attends to all tokens, as of each further one.

    Raises UnsupportedError for another arrangement of layers.
    """
    whole = [kind != SLIDING for kind in config.layer_types]
    pattern = whole.index(True) + 1 if True in whole else len(whole) + 1
    if whole != [at % pattern == 0 for at in range(1, len(whole) + 1)]:
        raise UnsupportedError("mlx-lm's gemma3_text has every n-th layer attend to all tokens")
    return pattern


def window_of(config: Any, read: Collection[str]) -> int | None:
    """The sliding window that mlx-lm would ignore; None if there is none, or if it has it.

    `read` are the names of the settings that mlx-lm reads. Up to so many tokens, answers are the
    same without it.
    """
    window: int | None = getattr(config, "sliding_window", None)
    kinds = getattr(config, "layer_types", None)
    slides = window is not None and (kinds is None or SLIDING in kinds)
    has = (kinds is not None and "layer_types" in read) or "sliding_window_pattern" in read
    return window if slides and not has else None


def check(config: Any, read: Collection[str]) -> None:
    """Raises UnsupportedError for a setting that differs from the default and is not `read`."""
    usual, found = type(config)().to_dict(), config.to_dict()
    known = set(read) | {own for name, own in type(config).attribute_map.items() if name in read}
    for name in sorted(usual.keys() - known - WITHOUT_EFFECT - TRANSLATED):
        if name == "head_dim" and found[name] in (None, _width(config)):
            continue
        if found.get(name) != usual[name]:
            raise UnsupportedError(
                f"mlx-lm's {config.model_type} has {name} {usual[name]!r}, the model has "
                f"{found.get(name)!r}"
            )


def _width(config: Any) -> int:
    """The width of a head where nothing else is given."""
    return int(config.hidden_size // config.num_attention_heads)
