"""Pairs of cells to compare: those of two folders of results, or two files."""

from __future__ import annotations

from pathlib import Path

from frontier.errors import UserError
from frontier.results import layout


def pairs(one: Path, other: Path) -> tuple[list[tuple[str, Path, Path]], int]:
    """The cells that both have, and the number of those that only one has.

    Two folders of results, by the cells' names; or two cells' files, whatever they are named.
    Raises UserError if there are none.
    """
    if one.is_file() and other.is_file():
        return [(_both(one, other), one, other)], 0
    for folder in (one, other):
        if not folder.is_dir():
            raise UserError(f"{folder}: give two folders of results, or the JSON of two cells")
    ours, theirs = ({layout.name_of(path): path for path in _cells(at)} for at in (one, other))
    shared = [name for name in ours if name in theirs]
    if not shared:
        raise UserError(f"{one} and {other}: have no cell in common")
    return [(name, ours[name], theirs[name]) for name in shared], len(ours.keys() ^ theirs.keys())


def _cells(results: Path) -> list[Path]:
    found = layout.cells(results)
    if not found:
        raise UserError(f"{results}: has no cells, {layout.CELL}")
    return found


def _both(one: Path, other: Path) -> str:
    names = [layout.name_of(path) for path in (one, other)]
    return names[0] if names[0] == names[1] else " and ".join(names)
