"""Results that travel: what files a cell has, and what was added from other machines.

Added cells lie below results/ as they were sent; only their device is called DEVICE@NAME, so that
the same cell measured here stays beside them and is never overwritten. results/added/NAME.json
names every file that came with its sha256: a file that it does not name is none of ours.
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
    """Every file that was added, with its sha256 as it was sent. Raises UserError."""
    found: dict[Path, str] = {}
    for path in layout.lists_of_added(results):
        listed = read_json(path)
        files = listed.get("files") if isinstance(listed, dict) else None
        if not isinstance(files, dict) or not all(map(layout.cell_of, files)):
            raise UserError(f"{path}: no list of added files; {_mend(path.stem)}")
        layout.check_version(listed.get("layout"), path)
        found |= {results / name: digest for name, digest in files.items()}
    return found


def check_added(results: Path, shown: bool = False) -> None:
    """Raise UserError if a file is not as it was sent; `shown`: of those that a report shows."""
    for path, digest in added(results).items():
        if shown and len(path.relative_to(results).parts) > 3:
            continue
        if not path.exists() or sha256(path) != digest:
            wrong = "altered since it was added" if path.exists() else "was added, and is missing"
            name = path.relative_to(results).parts[1].partition("@")[2]
            raise UserError(f"{path}: {wrong}; {_mend(name)}")


def _mend(name: str) -> str:
    """What to do about added files that are not whole."""
    return f"add {name} again, or run add_results.py --remove {name}"


def added_cells(results: Path) -> dict[Path, str]:
    """The summaries among what was added."""
    return {
        path: digest
        for path, digest in added(results).items()
        if layout.place_of(path.relative_to(results))
    }


def added_places(results: Path) -> list[layout.Place]:
    """Where the cells lie that were added."""
    found = (layout.place_of(path.relative_to(results)) for path in added(results))
    return [place for place in found if place]


def origins(devices: Iterable[str]) -> dict[str, str]:
    """The names after @ of those devices that have one, by device."""
    return {device: device.partition("@")[2] for device in devices if "@" in device}
