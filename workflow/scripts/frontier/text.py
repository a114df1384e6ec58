"""Text from outside, safe to read on a terminal and in a report."""

from __future__ import annotations

import reprlib
import unicodedata

# Bidirectional controls: they could reorder the text around them.
BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Zero width: a key containing one looks like a different key.
ZERO_WIDTH = frozenset("\u00ad\u200b\u2060\ufeff")
UNSEEN = frozenset({"Cc", "Cs", "Co", "Cn", "Zl", "Zp"})
LONGEST = 80  # characters of a value that a message shows


def visible(text: str | None, limit: int = 400) -> str:
    """Text from outside with control characters as ⟨U+XXXX⟩, cut after `limit` characters.

    Line breaks and tabs stay, and so do the joiners that scripts and emoji need. The report's
    template escapes HTML, not this.
    """
    if text is None:
        return ""
    cut = len(text) - limit
    shown = "".join(
        f"⟨U+{ord(letter):04X}⟩" if _hidden(letter) else letter for letter in text[:limit]
    )
    return shown if cut <= 0 else f"{shown}… ({cut} more characters)"


def _hidden(letter: str) -> bool:
    if letter in BIDI or letter in ZERO_WIDTH:
        return True
    return unicodedata.category(letter) in UNSEEN and letter not in "\n\t"


def shown(value: object) -> str:
    """A user's value as messages show it: quoted, escaped, at most 80 characters.

    Fast even for a value that expands to gigabytes, such as YAML's aliases of aliases.
    """
    short = reprlib.Repr()
    short.maxlevel, short.maxlist, short.maxdict = 2, 4, 4
    short.maxstring = short.maxlong = short.maxother = LONGEST
    text = short.repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
