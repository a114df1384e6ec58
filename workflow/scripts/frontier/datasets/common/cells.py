"""The values of a table's row, as text."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from frontier.errors import UserError, did_you_mean
from frontier.values import NO_VALUE, at


def is_missing(value: Any) -> bool:
    """True for a value that says nothing: null, not a number, or text without a letter."""
    if isinstance(value, str):
        return not value.strip()
    return value is None or (isinstance(value, float) and math.isnan(value))


def cell(cells: Mapping[str, Any], name: str, where: str) -> Any:
    """The value of a column or path. Raises UserError with the nearest column without one."""
    found = cells[name] if name in cells else at(cells, name)
    if found is NO_VALUE:
        raise UserError(f"{where}: no column {name!r}{did_you_mean(name, cells)}")
    return found


def text_of(value: Any, where: str) -> str:
    """A value as text: numbers as Python writes them, lists and objects as JSON, nothing as ""."""
    if isinstance(value, str):
        return value
    if is_missing(value):
        return ""
    if isinstance(value, bytes):
        raise UserError(f"{where}: a value is stored as bytes, not as text")
    if isinstance(value, bool | list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def shortened(text: str, longest: int | None) -> str:
    """The text, ended after `longest` characters: between words if one ends in the last tenth."""
    if longest is None or len(text) <= longest:
        return text
    start = text[:longest]
    space = max(start.rfind(" "), start.rfind("\n"))
    whole = text[longest].isspace() or space < 0.9 * longest
    return (start if whole else start[:space]).rstrip()
