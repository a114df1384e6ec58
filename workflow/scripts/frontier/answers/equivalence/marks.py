"""The words and signs with which a text marks, doubts or retracts its answer."""

from __future__ import annotations

import re
from collections.abc import Iterator

MAX_PIECE = 400  # characters; a longer piece is not an answer

STRONG = re.compile(
    r"####|<answer>|答案(?:是|为|:)?"
    r"|\b(?:answers?|ans|results?|solutions?)"
    r"(?:\W{0,4}(?:is|are|=|→|:)|\s+(?:would|should|must)\s+be)(?!\w)"
    r"(?:\s+(?:therefore|thus|simply|just|then|equal to|given by))?\s*:?",
    re.IGNORECASE,
)
CLOSING = re.compile(r"\s*</answer>\s*$", re.IGNORECASE)
REVERSED = re.compile(
    r"\s+(?:is|are)\s+(?:the|my|our)\s+(?:final |correct |right )?(?:answers?|results?|solutions?)"
    r"\W*$",
    re.IGNORECASE,
)
WEAK = re.compile(
    r"(?<![=!<>])={1,2}(?![=<>])|(?<=[A-Za-z)\]])\s*:(?=\s)|[→∴∈]"
    r"|\b(?:is|are|equals?|gives?|yields?|get|obtain|becomes|was|be|so|thus|hence|therefore)\b,?"
    r"|(?<=\b(?:it|he))'s\b|(?<=\bthat)'s\b"
    r"|\b(?:equal|simplif|round|evaluat|reduc|expand|factor|convert|amount|com)[a-z]*"
    r"\s+(?:to|as|into)\b",
    re.IGNORECASE,
)
DOUBT = re.compile(
    r"\b(?:not|never|neither|nor|cannot|or|either|maybe|perhaps|possibly|might|if|unless|whether"
    r"|wrong|incorrect|doubt)\b|n't\b|≠|!=",
    re.IGNORECASE,
)
ANOTHER_VALUE = re.compile(
    r"\b(?:than|negative|approximately|roughly|nearly|almost|around)\b|\b(?:minus|plus)\W*$"
    r"|\bat (?:least|most)\b|[<>≤≥≈]",
    re.IGNORECASE,
)
ANOTHER_ANSWER = re.compile(r"\b(?:opposite|negation|inverse|reciprocal|twice)\b", re.IGNORECASE)
UNSURE = re.compile(
    r"\b(?:or|either|maybe|perhaps|possibly|might|if|unless|whether|doubt|think|sure)\b",
    re.IGNORECASE,
)
"""Doubt about a truth value: "8 is not prime, so False" has none."""
DENIED = re.compile(r"\W*(?:not|never|neither)\s+(?:true|false|yes)\W*", re.IGNORECASE)
SECOND_THOUGHT = re.compile(r"\b(?:wait|mistake|sorry|scratch|correction)\b", re.IGNORECASE)
RETRACTION = re.compile(
    r"\b(?:wait|wrong|incorrect|mistake|sorry|scratch|correction|not (?:right|correct|true))\b"
    r"|n't (?:right|correct|true)\b",
    re.IGNORECASE,
)
APART = re.compile(r"[,;]\s|\b(?:or|and|but)\b")
WORD = re.compile(r"\b(?!(?:sqrt|[AaPp][Mm])\b)[A-Za-z]{2,}\b|(?<=\s)\(")
LETTERS = re.compile("[A-Za-z]{2,}")
CALL = re.compile(r"[A-Za-z]+'*\([^()]*\)")
ASSIGNED = re.compile(r"[,;]\s*|\s+and\s+|(?<=[a-z])\s+(?=[A-Za-z]\s*=)")
ASSIGNMENT = re.compile(r"[A-Za-z]\s*=")
REASONED = re.compile(r"([^=]{1,60}?)(?:[,;:]\s|\s+(?:because|since|as|for|so)\b)")
REMARK = re.compile(r"([^()]*[0-9A-Za-z)]) \((?!base)([^()]*[A-Za-z]{3}[^()]*)\)[.!]?")
TURNED = re.compile(r"([^=]+)=\s*[A-Za-z]\W*")
NAME = re.compile(r"[A-Za-z](?:_?[0-9A-Za-z])?")


def between(mark: re.Pattern[str], text: str) -> Iterator[str]:
    """The parts of a text between its marks."""
    start = 0
    for found in mark.finditer(text):
        yield text[start : found.start()]
        start = found.end()
    yield text[start:]


def is_equation(before: str) -> bool:
    """True if the left side of "=" must be solved, such as 2*x or -x, and is not just a name."""
    rest = CALL.sub("1", before[-MAX_PIECE:])
    tail = re.split(r"[,;:→=]|\b[A-Za-z]{2,}\b", rest)[-1].strip(" *.")
    return bool(re.search("[A-Za-z]", tail)) and NAME.fullmatch(tail) is None


def is_formula(piece: str) -> bool:
    """True if a piece consists of signs and digits, without words."""
    return bool(re.search("[0-9A-Za-z]", piece)) and not LETTERS.search(piece.replace("sqrt", ""))
