"""CUDA_VISIBLE_DEVICES, read as the driver and torch read it: which GPUs stay visible."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import takewhile

VARIABLE = "CUDA_VISIBLE_DEVICES"
_NUMBER = re.compile(r"[+-]?[0-9]+")  # as strtoul reads it: anything after the digits is ignored


def names_slices(value: str | None) -> bool:
    """True if the variable names partitions (MIG) instead of whole GPUs."""
    return value is not None and value.startswith("MIG-")


def visible(value: str | None, uuids: Sequence[str]) -> list[int]:
    """Indices into `uuids`, the host's GPUs, in the order of the variable.

    The variable (None: not set) is a list of numbers or of UUIDs, which may be abbreviated if they
    stay unambiguous. It ends before the first entry that names no GPU, such as -1; if a GPU is
    named twice, none is visible. Partitions (MIG) are not whole GPUs.
    """
    if value is None:
        return list(range(len(uuids)))
    parts = value.split(",")
    if not value.startswith("GPU-"):
        numbers = list(takewhile(lambda number: number >= 0, map(_number, parts)))
        return [] if _repeated(numbers) else _up_to_unknown(numbers, len(uuids))
    parts = list(takewhile(lambda part: part.startswith("GPU-"), parts))
    places = _up_to_unknown([_place(part, uuids) for part in parts], len(uuids))
    return [] if _repeated(parts) or _repeated(places) else places


def _number(part: str) -> int:
    found = _NUMBER.match(part.strip())
    return int(found[0]) if found else -1


def _place(start: str, uuids: Sequence[str]) -> int:
    """The index of the only UUID with this prefix; -1 if there is none or more than one."""
    fitting = [place for place, uuid in enumerate(uuids) if uuid.startswith(start)]
    return fitting[0] if len(fitting) == 1 else -1


def _up_to_unknown(places: list[int], count: int) -> list[int]:
    return list(takewhile(lambda place: 0 <= place < count, places))


def _repeated(values: Sequence[object]) -> bool:
    return len(set(values)) < len(values)
