"""Mentions of labels in a text: whole words of any script, with any punctuation and markup."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
)
"""Scripts without spaces between words, and Korean, whose words have suffixes."""
IN_UNSPACED = re.compile(f"[{UNSPACED}]")
UNREAD = re.compile("[\u0591-\u05c7\u0640\u064b-\u065f\u0670\ufe00-\ufe0f]")
"""Optional vowel signs of Hebrew and Arabic, and variation selectors of emoji."""
APOSTROPHES = dict.fromkeys(map(ord, "’‘ʼ´`"), "'")


@dataclass(frozen=True)
class Mention:
    """A label and its position in the normalized text."""

    label: str
    start: int
    stop: int


def normal(text: str) -> str:
    """A text without purely visual differences: case, width, invisible characters."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    seen = "".join(letter for letter in folded if unicodedata.category(letter) != "Cf")
    return UNREAD.sub("", seen).translate(APOSTROPHES)


def canonical(label: str) -> str:
    """A label in comparable form: "very_good", "very-good" and "Very good" are the same."""
    return re.sub(r"(?<=\w)[\s_-]+(?=[^\W_])", " ", normal(label)).strip()


class Labels:
    """A task's labels, compiled for searching."""

    def __init__(self, labels: Sequence[str]) -> None:
        """Puts the longest first, so that "very good" is found before "very"."""
        named = {canonical(label): label for label in labels}
        self._patterns = [
            (named[one], re.compile(r"[\s_-]+".join(map(re.escape, one.split(" ")))))
            for one in sorted(named, key=len, reverse=True)
        ]
        self._any = re.compile("|".join(pattern.pattern for _, pattern in self._patterns))

    def find(self, text: str) -> list[Mention]:
        """All mentions in a normalized text, from left to right; none overlaps another."""
        found: list[Mention] = []
        at = 0
        while first := self._any.search(text, at):
            mention = self._mention(text, first.start())
            at = mention.stop if mention else first.start() + 1
            found += [mention] if mention else []
        return found

    def _mention(self, text: str, start: int) -> Mention | None:
        for label, pattern in self._patterns:
            match = pattern.match(text, start)
            if match and not _goes_on(text, start, -1) and not _goes_on(text, match.end() - 1, 1):
                return Mention(label, start, match.end())
        return None


def _goes_on(text: str, edge: int, step: int) -> bool:
    """True if the word or number with the letter at `edge` continues in this direction."""
    letter, beside, beyond = (_at(text, edge + count * step) for count in range(3))
    if not (letter.isalnum() and beside):
        return False
    if unicodedata.category(beside).startswith("M"):
        return True
    if beside == "_":  # italics, unless it joins two words
        rest = text[edge + 1 :] if step > 0 else text[edge - 1 :: -1]
        return _at(rest.lstrip("_"), 0).isalnum()
    if letter.isdigit() and beside in ".,":
        return beyond.isdigit()
    if letter.isdigit() and beside in "-\u2212":
        return step < 0 and not beyond.isalnum()
    if not beside.isalnum() or IN_UNSPACED.match(letter) or IN_UNSPACED.match(beside):
        return False
    return letter.isdigit() or beside.isdigit() or _script(letter) == _script(beside)


def _at(text: str, place: int) -> str:
    return text[place] if 0 <= place < len(text) else ""


def _script(letter: str) -> str:
    """LATIN, CYRILLIC, ARABIC, …: the first word of a letter's name."""
    return unicodedata.name(letter, "?").split()[0]
