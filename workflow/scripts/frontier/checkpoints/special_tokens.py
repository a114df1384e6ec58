"""A checkpoint's special tokens: those that begin its texts, end them, or are not text at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

LETTER = "a"  # a tokenizer adds to every text what it adds to this one


def ends(checkpoint: Path, tokenizer: Any) -> tuple[int, ...]:
    """The ids that end a text: those of the generation config, the config and the tokenizer.

    Raises ValueError for a value that is not an id.
    """
    found: list[Any] = []
    for name in ("generation_config.json", "config.json"):
        path = checkpoint / name
        saved = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        for part in (saved, saved.get("text_config") or {}):
            ids = part.get("eos_token_id")
            found += ids if isinstance(ids, list) else [ids]
    own = tokenizer.eos_token_id
    # A tokenizer without such a token returns the id of the unknown token.
    if own is not None and tokenizer.convert_ids_to_tokens(own) == tokenizer.eos_token:
        found.append(own)
    ends = [end for end in found if end is not None]
    for end in ends:
        if type(end) is not int:
            raise ValueError(f"eos_token_id: {end!r} is not a token's id")
    return tuple(dict.fromkeys(end for end in ends if end >= 0))  # -1 means none


def left_out(tokenizer: Any) -> dict[int, str]:
    """The tokens that decoding skips: those with a role, and all marked as special."""
    marked = [key for key, token in tokenizer.added_tokens_decoder.items() if token.special]
    ids = dict.fromkeys((*tokenizer.all_special_ids, *marked))
    return {key: str(tokenizer.convert_ids_to_tokens(key)) for key in ids}


def frame(tokenizer: Any) -> tuple[list[int], set[int]]:
    """The special tokens that begin a text, each once, and those that must not end a prompt.

    A template may end in other special tokens, for example those that announce the answer's role.
    """
    bare = tokenizer(LETTER, add_special_tokens=False)["input_ids"]
    whole = tokenizer(LETTER)["input_ids"]
    starts = range(len(whole) - len(bare) + 1)
    at = next((at for at in starts if whole[at : at + len(bare)] == bare), 0)
    closing = {*whole[at + len(bare) :], tokenizer.eos_token_id, tokenizer.sep_token_id}
    return list(dict.fromkeys(whole[:at])), closing - {None}


def named(tokenizer: Any) -> dict[str, str]:
    """The special tokens by the names of their roles, which chat templates use."""
    roles = tokenizer.special_tokens_map.items()
    return {role: str(token) for role, token in roles if not isinstance(token, (list, dict))}
