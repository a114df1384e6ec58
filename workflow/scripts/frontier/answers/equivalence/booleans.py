"""Truth values at the beginning of a piece of text: True or False, yes or no."""

from __future__ import annotations

import re

TRUTH = {"true": "True", "yes": "True", "false": "False", "no": "False"}
SAID = re.compile(
    r"[\s*\"'(]*(yes|no|true|false)\b"
    r"(?:[\s.!\"'*)]*$"
    r"|(?:[,.;:!)](?=\s)|\s[-–—]\s|\s(?=(?:because|since|as)\b)|(?<=yes)\s|(?<=no)\s(?=(?:it|that)\b))"
    r"(.*))",
    re.IGNORECASE | re.DOTALL,
)
ASIDE = re.compile(
    r"\b(?:or|maybe|perhaps|either)\b|^\W*-?[0-9]+\W*$|\b(?:true|false)\s+that\b", re.IGNORECASE
)
WORD = re.compile(r"(\bnot |n't )?\b(true|false|yes)\b", re.IGNORECASE)


def truth(piece: str) -> str | None:
    """The truth value of a piece, which may have a comment: "No, 8 is not prime".

    None if the comment says the opposite or offers a choice.
    """
    found = SAID.match(piece)
    if found is None:
        return None
    answer, comment = TRUTH[found[1].casefold()], found[2] or ""
    opposed = (
        (TRUTH[word.casefold()] == answer) == bool(denied) for denied, word in WORD.findall(comment)
    )
    return None if ASIDE.search(comment) or any(opposed) else answer
