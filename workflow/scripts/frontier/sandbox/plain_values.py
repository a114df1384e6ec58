"""Values of plain types, as bytes that cross between the checker and a program.

An object of a type derived from a plain one becomes its plain value, so that a test compares by
Python's own operators. Reading builds nothing but plain values, whatever the bytes are.
"""

from __future__ import annotations

import io
import pickle
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

ITEMS = 1 << 20  # of an iterator that a program returns
PLAIN = (
    bool, int, float, complex, str, bytes, bytearray, list, tuple, dict, set, frozenset, range,
    Counter, OrderedDict, defaultdict, deque, Fraction, Decimal,
)  # fmt: skip
BASES = (int, float, complex, str, bytes, tuple, list, dict, set, frozenset)
NAMES = {(one.__module__, one.__name__): one for one in PLAIN}


class Writer(pickle.Pickler):
    """Writes plain values; an object of a derived type as one of its plain base."""

    def reducer_override(self, obj: Any) -> Any:
        """The base's value, whose operators are Python's own."""
        kind = type(obj)
        if kind is defaultdict:
            return defaultdict, (None,), None, None, iter(obj.items())
        if isinstance(obj, type) or kind in PLAIN:
            return NotImplemented
        for base in BASES:
            if issubclass(kind, base):
                return base, (base(obj),)
        return NotImplemented


class Reader(pickle.Unpickler):
    """Reads plain values; anything else is an error."""

    def find_class(self, module: str, name: str) -> Any:
        """One of the plain types. Raises UnpicklingError for any other name."""
        if (module, name) not in NAMES:
            raise pickle.UnpicklingError("not a plain value")
        return NAMES[module, name]


def written(value: Any) -> bytes:
    """A value as bytes."""
    file = io.BytesIO()
    Writer(file, pickle.HIGHEST_PROTOCOL).dump(value)
    return file.getvalue()


def read(content: bytes) -> Any:
    """The value in bytes of `written`."""
    return Reader(io.BytesIO(content)).load()


VIEWS: dict[str, Callable[[list[Any]], Any]] = {
    "value": lambda value: value,
    "iterator": iter,
    "keys": lambda items: dict.fromkeys(items).keys(),
    "values": lambda items: dict(enumerate(items)).values(),
    "items": lambda items: dict(items).items(),
}
"""Results that are no plain values but can be built from some, as a test would see them."""


def packed(value: Any) -> tuple[str, Any]:
    """A result and its form."""
    for name in ("keys", "values", "items"):
        if type(value) is type(getattr({}, name)()):
            return name, list(value)
    if not isinstance(value, PLAIN) and hasattr(type(value), "__next__"):
        found = []
        for one in value:
            found.append(one)
            if len(found) > ITEMS:
                raise MemoryError
        return "iterator", found
    return "value", value
