"""Words of a text in any script, and how many of an answer's are copied from a document."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from itertools import pairwise

from frontier.answers.labelled import WORD

RUN = 5
"""Consecutive words that count as copied."""
UNREAD_SHARE = 0.1
"""The most letters of a text that a tokenizer may drop unnoticed."""


@dataclass(frozen=True)
class Copying:
    """The counts of an answer's words against a document's."""

    words: int
    document_words: int
    bigrams: int
    """Different ones in the answer."""
    novel_bigrams: int
    """Those that the document does not have."""
    copied_words: int
    """Words in runs of at least RUN that stand in the document."""


def unicode_words(text: str) -> list[str]:
    """Words without case and width; single characters of scripts without spaces."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return [word.group() for word in WORD.finditer(plain)]


def unread_letters(text: str) -> float:
    """The share of a text's letters and digits that are not a to z or 0 to 9."""
    letters = [one for one in text if one.isalnum()]
    return sum(not one.isascii() for one in letters) / len(letters) if letters else 0.0


def copying(answer: str, document: str) -> Copying:
    """The counts; runs and bigrams are of `unicode_words`. Time and memory are linear in words."""
    own, source = unicode_words(answer), unicode_words(document)
    bigrams = set(pairwise(own))
    runs = {tuple(source[at : at + RUN]) for at in range(len(source) - RUN + 1)}
    copied: set[int] = set()
    for at in range(len(own) - RUN + 1):
        if tuple(own[at : at + RUN]) in runs:
            copied.update(range(at, at + RUN))
    novel = len(bigrams - set(pairwise(source)))
    return Copying(len(own), len(source), len(bigrams), novel, len(copied))
