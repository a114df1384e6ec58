"""Addition of cells from another machine: complete, or visibly incomplete if interrupted.

The manifest is written before the files are moved: a reader in between finds files missing or
different, and asks to add them again.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from frontier.errors import UserError
from frontier.exchange import conflicts, packing
from frontier.host.files import write_json
from frontier.results import bundles, layout
from frontier.results.cell import read_cell
from frontier.text import visible


def add(source: Path, name: str, results: Path) -> tuple[list[str], dict[str, list[str]]]:
    """Adds the cells of a bundle, or of another results/, as VARIANT/DEVICE@NAME/TASK.

    Returns the cells added, as VARIANT/DEVICE/TASK, and the differences from those also measured
    here with other inputs or on other hardware. Cells added before under this name are replaced;
    cells measured here stay. Raises UserError, adding nothing, for an invalid name or source.
    """
    if not bundles.NAME.fullmatch(name) or len(name) > layout.LONGEST:
        raise UserError(
            f"name {name!r}: use lower-case letters and digits, with '.', '_' or '-' between them"
        )
    # Next to the final place, so that files can be moved there instead of written.
    incoming = layout.incoming(results, name)
    shutil.rmtree(incoming, ignore_errors=True)
    incoming.mkdir(parents=True)
    try:
        take = packing.copy if source.is_dir() else packing.unpack
        digests = take(source, incoming)
        cells = [name for name in digests if layout.place_of(name)]
        found = {cell.removesuffix(".json"): _conflict(cell, incoming, results) for cell in cells}
        _place(incoming, digests, name, results)
    except UserError as error:  # whose message has the temporary paths
        message = str(error).replace(f"{incoming}/", f"{source}: ")
        raise UserError(visible(message, 600)) from None
    finally:
        shutil.rmtree(incoming, ignore_errors=True)
    return list(found), {cell: differing for cell, differing in found.items() if differing}


def _conflict(cell: str, incoming: Path, results: Path) -> list[str]:
    """The differences from the same cell measured here, if there is one."""
    if not (results / cell).exists():
        return []
    here, there = read_cell(results / cell), read_cell(incoming / cell)
    return conflicts.differences(here, there) if conflicts.conflict(here, there) else []


def _place(incoming: Path, digests: dict[str, str], name: str, results: Path) -> None:
    """Moves checked files to their final place."""
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
    """Deletes the folders of the cells added as `name`; returns their number."""
    old = list(results.glob(f"*/*@{name}"))
    for folder in old:
        shutil.rmtree(folder)
        if not any(folder.parent.iterdir()):
            folder.parent.rmdir()
    return len(old)


def remove(name: str, results: Path) -> None:
    """Deletes the cells added as `name`. Raises UserError if there are none."""
    if not bundles.NAME.fullmatch(name):
        raise UserError(f"name {name!r}: not a name under which cells can be added")
    listed = layout.added(results, name)
    there = listed.exists()
    # If interrupted, it leaves files that no list names; the same command deletes them.
    listed.unlink(missing_ok=True)
    if not _clear(name, results) and not there:
        raise UserError(f"{results}: nothing was added as {name!r}")
