"""Attention of transformers' models in which each query sees only some of the keys."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import torch
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, eager_mask
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from frontier.errors import UnsupportedError

NAME = "bounded"
Visible = Callable[[Any, int, int, Callable[[], torch.Tensor]], torch.Tensor]


def install(model: Any, visible: Visible) -> None:
    """Changes the attention of a model. Raises UnsupportedError if it computes it in its own way.

    `visible`: see frontier/techniques/common/bounded.py.
    """
    eager = getattr(sys.modules[type(model).__module__], "eager_attention_forward", None)
    if eager is None or not model._can_set_attn_implementation():
        raise UnsupportedError(f"{type(model).__name__} computes attention in a way of its own")
    config = model.config.get_text_config()
    kinds = {*(getattr(config, "layer_types", None) or ["full_attention"])}
    if kinds != {"full_attention"} or getattr(config, "sliding_window", None):
        raise UnsupportedError(f"layers of {type(model).__name__} have caches of another kind")

    def attend(
        module: Any, query: Any, key: Any, value: Any, attention_mask: Any, **further: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The model's own eager attention, with fewer keys."""
        if attention_mask is None or query.shape[0] != 1:
            raise UnsupportedError("only single requests of causal models are simulated")
        module.bounded = True

        def attended(mask: Any) -> tuple[torch.Tensor, torch.Tensor]:
            found: tuple[torch.Tensor, torch.Tensor]
            found = eager(module, query, key, value, mask, **further)
            return found

        new = query.shape[2]
        begin = key.shape[2] - new
        shown = visible(module, begin, new, lambda: attended(attention_mask)[1])
        hidden = torch.finfo(attention_mask.dtype).min
        return attended(torch.where(shown.to(query.device), attention_mask, hidden))

    # A name for each model, since the functions are global.
    name = f"{NAME}-{id(model)}"
    ALL_ATTENTION_FUNCTIONS.register(name, attend)
    ALL_MASK_ATTENTION_FUNCTIONS.register(name, eager_mask)
    model.set_attn_implementation(name)
    if model.config.get_text_config()._attn_implementation != name:
        raise UnsupportedError(f"{type(model).__name__} keeps its own attention")
