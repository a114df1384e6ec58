"""Which of a host's GPUs CUDA_VISIBLE_DEVICES leaves visible, as the driver and torch read it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import takewhile

VARIABLE = "CUDA_VISIBLE_DEVICES"
_NUMBER = re.compile(r"[+-]?[0-9]+")  # as strtoul reads it: what follows the digits does not count


def names_slices(value: str | None) -> bool:
    """Whether the variable names slices of GPUs (MIG) instead of whole ones."""
    return value is not None and value.startswith("MIG-")


def visible(value: str | None, uuids: Sequence[str]) -> list[int]:
    """Places in `uuids`, those of the host's GPUs, in the order of the variable.

    The variable (None: not set) is a list of numbers or of UUIDs, which may be cut short where that
    leaves them unambiguous. It ends before the first part that names no GPU, such as -1; where a
    GPU is named twice there is none at all. Slices (MIG) are not among the whole GPUs.
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
    """The place of the only UUID that starts so; -1 where there is none, or there are several."""
    fitting = [place for place, uuid in enumerate(uuids) if uuid.startswith(start)]
    return fitting[0] if len(fitting) == 1 else -1


def _up_to_unknown(places: list[int], count: int) -> list[int]:
    return list(takewhile(lambda place: 0 <= place < count, places))


def _repeated(values: Sequence[object]) -> bool:
    return len(set(values)) < len(values)
