"""True or False, yes or no, said in a sentence."""

from __future__ import annotations

import re

from frontier.equivalence.candidates import Found
from frontier.equivalence.marks import STRONG
from frontier.equivalence.sentences import split

TRUTH = {"true": "True", "yes": "True", "false": "False", "no": "False"}
# "no" counts where it answers: at the beginning of a sentence or after a mark, and before a break.
SAID = re.compile(
    r"(?<![-\w])(?:true|false|yes)\b"
    r"|(?:^|(?<=[.!:,\"'(])|(?<=[.!:,\"'(] )|(?<=\bis )|(?<=\bor )|(?<=\beither )|(?<=\bmaybe ))"
    r"no\b(?=\W*$|[.,;:!)\"']| or\b| [-–—] )",
    re.IGNORECASE,
)
DENIED = re.compile(
    r"(?:\b(?:not|never|neither|nor|hardly)|n't)\s+(?:\w+\s+)?(?:true|false|yes)\b"
    r"|\b(?:true|false)\s+that\b",
    re.IGNORECASE,
)


def find(text: str) -> Found:
    """The truth value that a text gives: in a box, after a mark of the answer, or anywhere in it.

    Questions in it say nothing. Ambiguous where both are said, or one is denied.
    """
    sentences = [one for one in split(text) if one.boxes or not one.text.endswith("?")]
    boxed = [box for sentence in sentences for box in sentence.boxes]
    marked = [piece for one in sentences for piece in STRONG.split(one.text)[1:]]
    everything = [sentence.text for sentence in sentences]
    said: set[str] = set()
    for pieces in (boxed, marked, everything):
        words = {word.casefold() for piece in pieces for word in SAID.findall(piece.strip(" *"))}
        said |= {TRUTH[word] for word in words}
        if any(map(DENIED.search, pieces)):
            return Found(ambiguous=True)
        if said:
            break
    return Found(said.pop()) if len(said) == 1 else Found(ambiguous=len(said) > 1)
