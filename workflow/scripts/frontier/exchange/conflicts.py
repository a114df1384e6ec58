"""Differences between the same cell measured on two machines, as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from frontier import figures
from frontier.text import visible
from frontier.words import size

Cell = Mapping[str, Any]
# key of a cell's hardware -> its label
HARDWARE = {
    "gpus": "GPU", "driver": "driver", "cpu": "CPU", "cores": "number of cores",
    "memory_bytes": "memory", "system": "system", "python": "Python",
}  # fmt: skip
INPUTS = {"sample_sha256": "another sample", "weights_sha256": "other weights"}
# part of a cell's identity -> label; only the first difference is reported
MADE_OF = {
    "inputs": "measured from another specification, code or input",
    "spec": "scored from another specification",
    "code": "scored by other code",
    "command": "scored by another command",
    "packages": "scored with other packages",
}


def _block(cell: Cell, *keys: str) -> Mapping[str, Any]:
    """A block within a cell; empty if there is none."""
    found: Any = cell
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def conflict(here: Cell, there: Cell) -> bool:
    """True if two results for the same cell have different inputs or hardware."""
    digests = [_block(cell, "identity").get("digest") for cell in (here, there)]
    ours, theirs = (_block(cell, "provenance", "hardware") for cell in (here, there))
    return digests[0] != digests[1] or ours != theirs


def differences(here: Cell, there: Cell) -> list[str]:
    """The differences between two results for the same cell, hardware first; not escaped."""
    return [*_conditions(here, there), *_identity(here, there)]


def _conditions(here: Cell, there: Cell) -> Iterator[str]:
    """Differences in hardware, versions, settings and inputs that both record."""
    ours, theirs = (_block(cell, "provenance") for cell in (here, there))
    if not (ours and theirs):
        return
    for block, names in (("hardware", HARDWARE), ("packages", None)):
        one, other = _block(here, "provenance", block), _block(there, "provenance", block)
        for key in names or sorted(one.keys() | other.keys()):
            yield from _other(names[key] if names else key, one.get(key), other.get(key))
    one, other = _block(here, "figures"), _block(there, "figures")
    for key in figures.conditions():
        yield from _other(key, one.get(key), other.get(key))
    for key, words in INPUTS.items():
        if ours.get(key) != theirs.get(key):
            yield words


def _other(name: str, ours: Any, theirs: Any) -> Iterator[str]:
    if ours != theirs:
        yield f"other {visible(name, 60)}: {_text(name, ours)} here, {_text(name, theirs)} there"


def _text(name: str, value: Any) -> str:
    if value is None or value == []:
        return "none"
    if name == "memory" and isinstance(value, int | float):
        return size(value)
    return visible(", ".join(map(str, value)) if isinstance(value, list) else str(value), 100)


def _identity(here: Cell, there: Cell) -> Iterator[str]:
    """The difference between the cells' recorded identities."""
    ours, theirs = (_block(cell, "identity") for cell in (here, there))
    if ours.get("digest") != theirs.get("digest"):
        differing = (label for key, label in MADE_OF.items() if ours.get(key) != theirs.get(key))
        yield next(differing, "another identity")
