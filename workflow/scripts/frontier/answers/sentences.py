"""Sentences of a summary, one a line, as ROUGE-Lsum takes them."""

from __future__ import annotations

import re

ENDED = re.compile(r"([.!?][\"'”’)\]]*)[ \t]+(?=[\"'“‘(\[]*[A-Z0-9])")
ABBREVIATION = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|St|Sr|Jr|Gen|Col|Lt|Sgt|Rev|Hon|Sen|Rep|Gov|vs|etc|Inc|Ltd|Co"
    r"|Corp|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec|approx|e\.g|i\.e|cf|al)"
    r"|\b[A-Z]|\b(?:[A-Za-z]\.)+[A-Za-z])\.$"
)
"""Ends of words with a full stop that ends no sentence: titles, months, initials."""
NUMBERED = re.compile(r"\bNos?\.$")
"""The same before a number: No. 10."""


def one_per_line(text: str) -> str:
    """The text with a line break after each sentence; its own line breaks stay."""

    def broken(end: re.Match[str]) -> str:
        before = text[max(0, end.start() - 20) : end.start() + len(end[1])]
        numbered = NUMBERED.search(before) and text[end.end()].isdigit()
        return end.group() if numbered or ABBREVIATION.search(before) else f"{end[1]}\n"

    return ENDED.sub(broken, text)
