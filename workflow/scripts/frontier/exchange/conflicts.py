"""Differences between the same cell measured on two machines, as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from frontier import figures
from frontier.results.cell import CellResult
from frontier.text import visible
from frontier.words import size

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


def conflict(here: CellResult, there: CellResult) -> bool:
    """True if two results for the same cell have different inputs or hardware."""
    digests = [cell.identity and cell.identity.digest for cell in (here, there)]
    ours, theirs = (_hardware(cell) for cell in (here, there))
    return digests[0] != digests[1] or ours != theirs


def _hardware(cell: CellResult) -> Mapping[str, JsonValue]:
    return (cell.provenance and cell.provenance.hardware) or {}


def differences(here: CellResult, there: CellResult) -> list[str]:
    """The differences between two results for the same cell, hardware first; not escaped."""
    return [*_conditions(here, there), *_identity(here, there)]


def _conditions(here: CellResult, there: CellResult) -> Iterator[str]:
    """Differences in hardware, versions, settings and inputs that both record."""
    ours, theirs = here.provenance, there.provenance
    if not (ours and theirs):
        return
    one, other = ours.hardware or {}, theirs.hardware or {}
    for key, label in HARDWARE.items():
        yield from _other(label, one.get(key), other.get(key))
    mine, its = ours.packages or {}, theirs.packages or {}
    for key in sorted(mine.keys() | its.keys()):
        yield from _other(key, mine.get(key), its.get(key))
    for key in figures.conditions():
        yield from _other(key, here.figures.get(key), there.figures.get(key))
    for key, words in INPUTS.items():
        if getattr(ours, key) != getattr(theirs, key):
            yield words


def _other(name: str, ours: object, theirs: object) -> Iterator[str]:
    if ours != theirs:
        yield f"other {visible(name, 60)}: {_text(name, ours)} here, {_text(name, theirs)} there"


def _text(name: str, value: object) -> str:
    if value is None or value == []:
        return "none"
    if name == "memory" and isinstance(value, int | float):
        return size(value)
    return visible(", ".join(map(str, value)) if isinstance(value, list) else str(value), 100)


def _identity(here: CellResult, there: CellResult) -> Iterator[str]:
    """The difference between the cells' recorded identities."""
    ours, theirs = here.identity, there.identity
    if ours and theirs and ours.digest != theirs.digest:
        differing = (
            label for key, label in MADE_OF.items() if getattr(ours, key) != getattr(theirs, key)
        )
        yield next(differing, "another identity")
