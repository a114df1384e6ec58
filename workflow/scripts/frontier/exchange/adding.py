"""Adding cells from another machine: as a whole or, if anything ends it, visibly not.

The manifest is written before the files are put in its place: whoever looks in between finds files
missing or other than listed, and is told to add them again.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from frontier.errors import UserError
from frontier.exchange import conflicts, packing
from frontier.host.files import write_json
from frontier.results import bundles, layout
from frontier.tables.study import read_cell
from frontier.text import visible


def add(source: Path, name: str, results: Path) -> tuple[list[str], dict[str, list[str]]]:
    """Put the cells of a bundle, or of another results/, there as VARIANT/DEVICE@NAME/TASK.

    Returns the cells added, as VARIANT/DEVICE/TASK, and of those made here as well from something
    else or on other hardware what differs. What was added under this name before is replaced; what
    was made here is not touched. Raises UserError, and adds nothing, for a name that is none and
    for a source that is not whole.
    """
    if not bundles.NAME.fullmatch(name) or len(name) > layout.LONGEST:
        raise UserError(
            f"name {name!r}: use small letters and digits, with '.', '_' or '-' between"
        )
    # Beside what it becomes: files are moved to their place, not written there.
    incoming = layout.incoming(results, name)
    shutil.rmtree(incoming, ignore_errors=True)
    incoming.mkdir(parents=True)
    try:
        take = packing.copy if source.is_dir() else packing.unpack
        digests = take(source, incoming)
        cells = [name for name in digests if layout.place_of(name)]
        found = {cell.removesuffix(".json"): _conflict(cell, incoming, results) for cell in cells}
        _place(incoming, digests, name, results)
    except UserError as error:  # which names files as they lie for this moment
        told = str(error).replace(f"{incoming}/", f"{source}: ")
        raise UserError(visible(told, 600)) from None
    finally:
        shutil.rmtree(incoming, ignore_errors=True)
    return list(found), {cell: differing for cell, differing in found.items() if differing}


def _conflict(cell: str, incoming: Path, results: Path) -> list[str]:
    """What differs from the same cell made here, if it was."""
    if not (results / cell).exists():
        return []
    here, there = read_cell(results / cell), read_cell(incoming / cell)
    return conflicts.differences(here, there) if conflicts.conflict(here, there) else []


def _place(incoming: Path, digests: dict[str, str], name: str, results: Path) -> None:
    """Move checked files to where they are read from."""
    places = {file: _renamed(file, name) for file in digests}
    files = {place: digests[file] for file, place in places.items()}
    write_json(layout.added(results, name), {"layout": layout.VERSION, "files": files})
    _clear(name, results)
    for file, place in places.items():
        (results / place).parent.mkdir(parents=True, exist_ok=True)
        (incoming / file).replace(results / place)


def _renamed(file: str, name: str) -> str:
    variant, device, rest = file.split("/", 2)
    return f"{variant}/{device}@{name}/{rest}"


def _clear(name: str, results: Path) -> int:
    """Delete the folders of what was added as `name`; returns how many there were."""
    old = list(results.glob(f"*/*@{name}"))
    for folder in old:
        shutil.rmtree(folder)
        if not any(folder.parent.iterdir()):
            folder.parent.rmdir()
    return len(old)


def remove(name: str, results: Path) -> None:
    """Delete what was added as `name`. Raises UserError where nothing was."""
    if not bundles.NAME.fullmatch(name):
        raise UserError(f"name {name!r}: none that anything could have been added as")
    listed = layout.added(results, name)
    there = listed.exists()
    # Ended in between, it leaves files that nothing names and the same command deletes.
    listed.unlink(missing_ok=True)
    if not _clear(name, results) and not there:
        raise UserError(f"{results}: nothing was added as {name!r}")
