"""The bytes that a token writes in any position, for decoders whose tokens write fixed bytes.

These are GPT-2's (bytes) and SentencePiece's; WordPiece's, for example, is not one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import transformers
from tokenizers import pre_tokenizers

FALLBACK = "<0x"  # prefix of the byte pieces, several of which may form a character, or none
STEPS = ("ByteFallback", "Fuse", "Strip")
"""The steps of a decoder of SentencePiece's pieces, in order, after the replacement in each."""


def reader(tokenizer: Any) -> Callable[[int], bytes | None] | None:
    """Returns a function from a token's id to its bytes, whose concatenation is the text.

    That returns None for other tokens; the function itself is None for a tokenizer with another
    decoder. A text may lack spaces at its very beginning.
    """
    own = transformers.PreTrainedTokenizerFast
    kind = type(tokenizer)
    if getattr(kind, "_decode", None) is not own._decode or kind.decode is not own.decode:
        return None
    core = tokenizer.backend_tokenizer
    if core.decoder is None:
        return None
    steps = json.loads(core.decoder.__getstate__())
    steps = steps["decoders"] if steps["type"] == "Sequence" else [steps]
    read = _byte_level if [step["type"] for step in steps] == ["ByteLevel"] else _pieces(steps)
    if read is None:
        return None

    def written(token: int) -> bytes | None:
        piece = core.id_to_token(token)
        return (read(piece) or None) if piece is not None else None

    return written


def _byte_level(piece: str) -> bytes | None:
    """The bytes of a piece written in the byte alphabet, or of the text itself."""
    if all(letter in LETTERS for letter in piece):
        return bytes(LETTERS[letter] for letter in piece)
    return None if ALPHABET.issuperset(piece) else piece.encode()


def _pieces(steps: Sequence[Mapping[str, Any]]) -> Callable[[str], bytes | None] | None:
    """A reader of SentencePiece's pieces; None if a step may change more than one piece."""
    kinds = [step["type"] for step in steps]
    replaced = [step for step in steps if step["type"] == "Replace"]
    pairs = [(step["pattern"].get("String"), step["content"]) for step in replaced]
    rest = steps[len(replaced) :]
    if kinds != ["Replace"] * len(replaced) + [*STEPS][: len(rest)] or len(rest) < 2:
        return None
    if any(not old for old, _ in pairs) or any(step.get("stop") for step in rest):
        return None

    def read(piece: str) -> bytes | None:
        text = piece
        for old, new in pairs:
            text = text.replace(old, new)
        return None if FALLBACK in (piece[:3], text[:3]) else text.encode()

    return read


def _letters() -> dict[str, int]:
    """The characters that represent bytes, without bytes that no text has."""
    short, longer = range(0x800), (0x800, *range(0x1000, 0x10000, 0x1000))
    longest = (0x10000, *range(0x40000, 0x110000, 0x40000))
    text = "".join(
        map(chr, (*short, *longer, *longest))
    )  # characters of one or two bytes, three, four
    found = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str(text)
    return dict(zip("".join(piece for piece, _ in found), text.encode(), strict=True))


ALPHABET = frozenset(pre_tokenizers.ByteLevel.alphabet())
LETTERS = _letters()
