"""Regular expressions of a user's or of a dataset's, which may never end: with a time limit."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import regex

from frontier.errors import Reason, UserError
from frontier.text import shown

TIME_LIMIT_S = 1.0
"""Seconds for one text."""
LONGEST, MOST_REPEATS = 10_000, 1_000_000
"""Characters of a pattern, and the copies that its counted repeats ask for; both take memory."""
COUNTED = re.compile(r"\{(\d*)(?:,(\d*))?\}")


class EndlessError(Exception):
    """A pattern reached no verdict on a text within the time limit."""


def why_invalid(pattern: str) -> Reason | None:
    """The reason why a text is no regular expression that can be used here; None if it is one."""
    if len(pattern) > LONGEST:
        return f"is longer than {LONGEST:,} characters"
    repeats = 1
    for least, most in COUNTED.findall(pattern):
        repeats *= max(1, int((most or least or "1")[:9]))
    if repeats > MOST_REPEATS:
        return f"its counted repeats, multiplied, are more than {MOST_REPEATS:,}"
    try:
        _compiled(pattern)
    except (regex.error, RecursionError, OverflowError) as error:
        return f"{shown(pattern)} is not a regular expression: {error}"
    return None


def check(pattern: str) -> str:
    """The pattern itself. Raises ValueError with the reason if it is invalid."""
    if reason := why_invalid(pattern):
        raise ValueError(reason)
    return pattern


@cache
def _compiled(pattern: str) -> Any:
    return regex.compile(pattern)


def found(pattern: str, text: str, limit_s: float = TIME_LIMIT_S) -> list[Any]:
    """All matches of a checked pattern in a text, which do not overlap.

    Raises EndlessError after `limit_s` seconds.
    """
    try:
        return list(_compiled(pattern).finditer(text, timeout=limit_s))
    except TimeoutError:
        raise EndlessError(pattern) from None


def whole(pattern: str, text: str, where: str) -> Any:
    """The match of a checked pattern with a whole text of ours; None without one.

    Raises UserError that begins with `where` after the time limit.
    """
    try:
        return _compiled(pattern).fullmatch(text, timeout=TIME_LIMIT_S)
    except TimeoutError:
        raise UserError(
            f"{where}: {shown(pattern)} took more than {TIME_LIMIT_S:g} s on {shown(text)}"
        ) from None
