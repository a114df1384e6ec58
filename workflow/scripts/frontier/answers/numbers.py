"""The number with which a text answers, as in GSM8K.

A number: digits with thousands' commas, a fraction, an exponent; a minus only where no letter or
digit precedes; `$`, `,` and `%` say nothing about its value. The answer is in the last box
(`\\boxed{}`), else after the last mark, else it is the text's last number. Reasoning (`<think>`)
and everything from the next question on is not read.
"""

from __future__ import annotations

import re
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, InvalidOperation

from frontier.answers.thoughts import THOUGHT

NUMBER = re.compile(
    r"(?:(?<![^\W_])[-\u2212])?\$?(?:\d[\d,]*(?:\.\d+)?|(?<!\d)\.\d+)(?:[eE][-+]?\d+(?![^\W_]))?"
)
BOX = re.compile(r"\\f?boxed\s*\{([^{}]*(?:\{[^{}]*\}[^{}]*)*)\}")
LATEX_COMMA = re.compile(r"\{,\}|\\,")
QUESTION = re.compile(r"\b(?:Question|Q)\s*:")
DROPPED = str.maketrans("\u2212", "-", "$,%")
MOST_DIGITS = 1_000
"""Longer runs of digits are a model's repetition, not a number."""
EXACT = Context(prec=2 * MOST_DIGITS, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])


def answered(text: str) -> str:
    """The part of a text that answers: without reasoning, up to a next question."""
    spoken = LATEX_COMMA.sub(",", THOUGHT.sub("", text))
    for question in QUESTION.finditer(spoken):
        if spoken[: question.start()].strip():
            return spoken[: question.start()]
    return spoken


def value(text: str) -> Decimal | None:
    """The value of a text that is a number as a whole; None if it is none."""
    plain = text.strip().translate(DROPPED).strip()
    if not plain or len(plain) > MOST_DIGITS or not NUMBER.fullmatch(plain):
        return None
    try:
        found = Decimal(plain)
    except InvalidOperation:  # digits of two scripts, or an exponent beyond all bounds
        return None
    return found if found.is_finite() else None


def marked(text: str, mark: str) -> Decimal | None:
    """The number right after the last `mark` of a text; None without one there."""
    _, at, tail = text.rpartition(mark)
    found = NUMBER.match(tail.lstrip(" \t*_`$")) if at else None
    return value(found.group()) if found else None


def last(text: str) -> Decimal | None:
    """The last number in a text."""
    found = NUMBER.findall(text)
    return value(found[-1]) if found else None


def read(text: str, mark: str | None = None) -> Decimal | None:
    """The number with which a text answers: in its last box, after its last mark, or the last."""
    spoken = answered(text)
    boxes = [last(box) for box in BOX.findall(spoken)]
    known = [one for one in boxes if one is not None]
    if known:
        return known[-1]
    found = marked(spoken, mark) if mark else None
    return found if found is not None else last(spoken)


def close(one: Decimal, other: Decimal, absolute: Decimal, relative: Decimal) -> bool:
    """True if two numbers differ by at most `absolute`, or by that share of `other`."""
    if one == other:
        return True
    gap = EXACT.subtract(one, other).copy_abs()
    return gap <= absolute or gap <= EXACT.multiply(relative, other.copy_abs())
