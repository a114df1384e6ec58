"""Results added from other machines.

Added cells are in results/ as they were sent, except that their device is named DEVICE@NAME, so
that the same cell measured here is never overwritten. results/added/NAME.json lists every added
file with its sha256: files that it does not list are ignored.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from frontier.catalogue import ids
from frontier.errors import UserError
from frontier.results import layout
from frontier.values import read_json, sha256

NAME = ids.ID


def added(results: Path) -> dict[Path, str]:
    """All added files, with their sha256 as sent. Raises UserError."""
    found: dict[Path, str] = {}
    for path in layout.lists_of_added(results):
        listed = read_json(path)
        files = listed.get("files") if isinstance(listed, dict) else None
        if not isinstance(files, dict) or not all(map(layout.cell_of, files)):
            raise UserError(f"{path}: not a list of added files; {_mend(path.stem)}")
        layout.check_version(listed.get("layout"), path)
        found |= {results / name: digest for name, digest in files.items()}
    return found


def check_added(results: Path, shown: bool = False) -> None:
    """Raises UserError if a file was altered; `shown`: checks only those that a report shows."""
    for path, digest in added(results).items():
        if shown and len(path.relative_to(results).parts) > 3:
            continue
        if not path.exists() or sha256(path) != digest:
            wrong = "altered since it was added" if path.exists() else "was added, and is missing"
            name = path.relative_to(results).parts[1].partition("@")[2]
            raise UserError(f"{path}: {wrong}; {_mend(name)}")


def _mend(name: str) -> str:
    """Advice on incomplete or altered files."""
    return f"add {name} again, or run add_results.py --remove {name}"


def added_cells(results: Path) -> dict[Path, str]:
    """The summaries of the added cells."""
    return {
        path: digest
        for path, digest in added(results).items()
        if layout.place_of(path.relative_to(results))
    }


def added_places(results: Path) -> list[layout.Place]:
    """The places of the added cells."""
    found = (layout.place_of(path.relative_to(results)) for path in added(results))
    return [place for place in found if place]


def origins(devices: Iterable[str]) -> dict[str, str]:
    """The names after @, by device, of the devices that have one."""
    return {device: device.partition("@")[2] for device in devices if "@" in device}
