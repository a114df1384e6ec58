"""A checkpoint's special tokens: what begins its texts, what ends them, what is not text at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

LETTER = "a"  # what a tokenizer puts around it, it puts around every text


def ends(checkpoint: Path, tokenizer: Any) -> tuple[int, ...]:
    """The ids that end a text: those of the generation config, the config and the tokenizer.

    Raises ValueError for what is no id.
    """
    found: list[Any] = []
    for name in ("generation_config.json", "config.json"):
        path = checkpoint / name
        saved = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        for part in (saved, saved.get("text_config") or {}):
            ids = part.get("eos_token_id")
            found += ids if isinstance(ids, list) else [ids]
    own = tokenizer.eos_token_id
    # A tokenizer without that word gives the id of the unknown one.
    if own is not None and tokenizer.convert_ids_to_tokens(own) == tokenizer.eos_token:
        found.append(own)
    ends = [end for end in found if end is not None]
    for end in ends:
        if type(end) is not int:
            raise ValueError(f"eos_token_id: {end!r} is not a token's id")
    return tuple(dict.fromkeys(end for end in ends if end >= 0))  # -1 stands for none


def left_out(tokenizer: Any) -> dict[int, str]:
    """The tokens that decoding leaves out: those with a role, and all marked as special."""
    marked = [key for key, token in tokenizer.added_tokens_decoder.items() if token.special]
    ids = dict.fromkeys((*tokenizer.all_special_ids, *marked))
    return {key: str(tokenizer.convert_ids_to_tokens(key)) for key in ids}


def frame(tokenizer: Any) -> tuple[list[int], set[int]]:
    """The special tokens that a text begins with, each once; those that may not end a prompt.

    A template may well end in another special token: that is where the answer's role is named.
    """
    bare = tokenizer(LETTER, add_special_tokens=False)["input_ids"]
    whole = tokenizer(LETTER)["input_ids"]
    starts = range(len(whole) - len(bare) + 1)
    at = next((at for at in starts if whole[at : at + len(bare)] == bare), 0)
    closing = {*whole[at + len(bare) :], tokenizer.eos_token_id, tokenizer.sep_token_id}
    return list(dict.fromkeys(whole[:at])), closing - {None}


def named(tokenizer: Any) -> dict[str, str]:
    """The special tokens that have a role, by its name: what a chat template calls them."""
    roles = tokenizer.special_tokens_map.items()
    return {role: str(token) for role, token in roles if not isinstance(token, (list, dict))}
