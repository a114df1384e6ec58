"""The JSON value in a text, and the comparison of its fields.

The value is the text's last fenced block that is JSON, else the whole text, else the largest object
or list that begins somewhere in it. Numbers are compared by value (1 is 1.0), true and false are no
numbers, and the order of an object's keys does not matter.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from frontier.answers.thoughts import THOUGHT
from frontier.values import NO_VALUE

FENCED = re.compile(r"```[\w+-]*[ \t]*\r?\n(.*?)(?:\n[ \t]*```|\Z)", re.DOTALL)
OPENING = re.compile(r"[{\[]")
MOST_STARTS = 100
"""Brackets that are tried as the beginning of a value."""


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


DECODER = json.JSONDecoder(parse_float=Decimal, parse_int=Decimal, parse_constant=_refused)


def read(text: str) -> Any:
    """The JSON value in a text, numbers as Decimal; NO_VALUE if there is none."""
    spoken = THOUGHT.sub("", text)
    for block in reversed(FENCED.findall(spoken)):
        found = whole(block)
        if found is not NO_VALUE:
            return found
    found = whole(spoken)
    return found if found is not NO_VALUE else _largest(spoken)


def whole(text: str) -> Any:
    """A text that is JSON as a whole; NO_VALUE if it is not."""
    try:
        return DECODER.decode(text.strip())
    except (ValueError, RecursionError, ArithmeticError):
        return NO_VALUE


def _largest(text: str) -> Any:
    """The longest object or list in a text; of equally long ones the first."""
    longest, found, at = 0, NO_VALUE, 0
    for _ in range(MOST_STARTS):
        start = OPENING.search(text, at)
        if start is None:
            break
        at = start.end()
        try:
            value, end = DECODER.raw_decode(text, start.start())
        except (ValueError, RecursionError, ArithmeticError):
            continue
        at = end
        if end - start.start() > longest:
            longest, found = end - start.start(), value
    return found


def leaves(value: Any, prefix: str = "") -> Iterator[str]:
    """The paths of the fields that are no objects; a list is one field."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from leaves(inner, f"{prefix}.{key}" if prefix else key)
    elif prefix:
        yield prefix


def same(one: Any, other: Any) -> bool:
    """True if two values are equal, true and 1 apart."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and bool(one == other)
