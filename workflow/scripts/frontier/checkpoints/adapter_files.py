"""The files of a PEFT adapter: names, kind, and whether its tensors change anything.

PEFT has no BitFit (Ben Zaken and others, 2022): its BEFT adds biases to layers that have none. So a
BitFit adapter is a format of this project: a difference for each bias, under the bias's own name,
in PEFT's two files, with `peft_type: BITFIT`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from frontier.checkpoints.safetensor_files import json_object
from frontier.errors import Reason
from frontier.text import visible

if TYPE_CHECKING:
    import torch

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
BITFIT = "BITFIT"
PROMPT = "PROMPT_TUNING"
FACTOR = re.compile(r"(lora_(?:embedding_)?)[AB]")
"""LoRA's two factors, in the names of their tensors."""
OF_METHODS = {"lora": "LORA", "ia3": "IA3", "prompt": PROMPT, "bitfit": BITFIT}
"""The kinds that are grown here, by their names in recipes."""
TOKENS = frozenset(
    {PROMPT, "MULTITASK_PROMPT_TUNING", "P_TUNING", "PREFIX_TUNING", "CPT", "CARTRIDGE"}
)
"""Kinds that add tokens or cached keys to a prompt, by PEFT's names."""


def kind(folder: Path) -> str:
    """The adapter's `peft_type`; empty if it has none. Raises UserError if it is unreadable."""
    found = json_object(folder / CONFIG).get("peft_type")
    return visible(found, 40) if isinstance(found, str) else ""


def why_not_merged(kind: str) -> Reason | None:
    """The reason why an adapter of a kind cannot be merged; None if it may be possible."""
    if kind in TOKENS:
        return f"{kind} adds trained tokens to each prompt, and no weights: it cannot be merged"
    return None


def changes_nothing(kind: str, tensors: Mapping[str, torch.Tensor]) -> bool:
    """True if a model with these tensors on computes the same as without.

    That is a product with zeros, factors of one, differences of zero. A tensor that replaces one of
    the model's, or belongs to another kind, counts as a change.
    """
    if kind == BITFIT:
        return not any(bool(one.any()) for one in tensors.values())
    if kind == "IA3":
        return all(".ia3_l" in name and bool((one == 1).all()) for name, one in tensors.items())
    if kind == "LORA":
        return all(_in_product_of_zero(name, tensors) for name in tensors)
    return False


def _in_product_of_zero(name: str, tensors: Mapping[str, torch.Tensor]) -> bool:
    """True if a tensor is one of LoRA's two factors, and one of them is zero."""
    if not FACTOR.search(name):
        return False
    pair = {FACTOR.sub(rf"\1{factor}", name) for factor in "AB"}
    return not all(bool(tensors[one].any()) for one in pair if one in tensors)
