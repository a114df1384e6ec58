"""Named normalisations of texts that are compared: none is applied unless it is asked for."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Literal

Normalisation = Literal["strip", "spaces", "case", "punctuation", "articles", "width"]

ARTICLES = re.compile(r"\b(?:a|an|the)\b", re.IGNORECASE)


def _without_punctuation(text: str) -> str:
    return "".join(one for one in text if not unicodedata.category(one).startswith("P"))


def _without_symbols(text: str) -> str:
    """The text without punctuation, and without the symbols that ASCII has among it."""
    return "".join(one for one in _without_punctuation(text) if one not in "$+<=>^`|~")


APPLIED: dict[Normalisation, Callable[[str], str]] = {
    "width": lambda text: unicodedata.normalize("NFKC", text),
    "case": str.casefold,
    "punctuation": _without_symbols,
    "articles": lambda text: ARTICLES.sub(" ", text),
    "spaces": lambda text: " ".join(text.split()),
    "strip": str.strip,
}
"""The normalisations by name, in the order in which they are applied. SQuAD's metric has case,
punctuation, articles and spaces."""


def normalised(text: str, names: Sequence[Normalisation]) -> str:
    """The text after the named normalisations."""
    for name, apply in APPLIED.items():
        if name in names:
            text = apply(text)
    return text
