"""Differences as text, one line each, safe to print for any content of a record."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from frontier.explaining.differences import (
    ABSENT,
    Command,
    Difference,
    Input,
    Key,
    Module,
    Package,
    leaves,
)
from frontier.text import visible

LONGEST_NAME, LONGEST_VALUE = 100, 60  # characters


def lines(found: Iterable[Difference]) -> Iterator[str]:
    """A line for each basic difference, prefixed with the inputs that contain it."""
    for where, one in leaves(found):
        yield f"{_name(where)}{line(one)}"


def line(one: Difference) -> str:
    """The line for a difference; for an input, only that it changed."""
    match one:
        case Key(path=path, old=list() as old, new=list() as new):
            return f"{_name('.'.join(path))}: {_changed_list(old, new)}"
        case Key(path=path, old=old, new=new):
            return f"{_name('.'.join(path))}: {_value(old)} → {_value(new)}"
        case Input(name=name, old=old, new=new):
            return f"{_name(name)}: {_value(old)} → {_value(new)}"
        case Module(name=name, change=change):
            return f"module {_name(name)}: {change}"
        case Package(name=name, old=old, new=new):
            return f"package {_name(name)}: {_value(old)} → {_value(new)}"
        case Command(rule=rule):
            return f"command of rule {_name(rule)}: changed"


def _changed_list(old: list[Any], new: list[Any]) -> str:
    """The added and removed items: in a long list the values would be cut off."""
    come = [one for one in new if one not in old]
    gone = [one for one in old if one not in new]
    parts = [f"{word} {_value(some)}" for word, some in (("with", come), ("without", gone)) if some]
    return ", ".join(parts) or "in another order"


def _value(value: Any) -> str:
    if value is ABSENT:
        return "absent"
    return visible(json.dumps(value, ensure_ascii=False), LONGEST_VALUE)


def _name(text: str) -> str:
    return visible(text, LONGEST_NAME)
