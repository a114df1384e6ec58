"""Results that travel: what files a cell has, and what was added from other machines.

Added cells lie below results/ as they were sent; only their device is called DEVICE@NAME, so that
the same cell measured here stays beside them and is never overwritten. results/added/NAME.json
names every file that came with its sha256: a file that it does not name is none of ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from frontier.catalogue import ids
from frontier.errors import UserError
from frontier.values import read_json, sha256

ADDED = "added"  # the folder below results/ with the manifests of what was added
_ID = ids.PATTERN
NAME = ids.ID
CELL = re.compile(rf"{_ID}/{_ID}/{_ID}\.json")
# A cell's summary, its table of requests, and what both were scored from.
FILE = re.compile(
    rf"(?P<cell>{_ID}/{_ID}(?:@{_ID})?/{_ID})"
    r"(?:\.json|\.parquet|/[0-9a-f]{16}/(?:measurement\.json|requests\.jsonl))"
)
LONGEST = 100  # letters of an id: file systems take 255 bytes, temporary names and @NAME included


def cell_of(file: str) -> str | None:
    """The cell, VARIANT/DEVICE/TASK, that a name below results/ belongs to; None if to none."""
    found = FILE.fullmatch(file)
    return found["cell"] if found and max(map(len, file.split("/"))) <= LONGEST else None


def cells(results: Path) -> list[Path]:
    """The cells that were made here: VARIANT/DEVICE/TASK.json; none that were added."""
    found = results.glob("*/*/*.json")
    return sorted(path for path in found if CELL.fullmatch(path.relative_to(results).as_posix()))


def manifest(results: Path, name: str) -> Path:
    """Where the files that were added as `name` are listed."""
    return results / ADDED / f"{name}.json"


def added(results: Path) -> dict[Path, str]:
    """Every file that was added, with its sha256 as it was sent. Raises UserError."""
    found: dict[Path, str] = {}
    for path in sorted((results / ADDED).glob("*.json")):
        listed = read_json(path)
        files = listed.get("files") if isinstance(listed, dict) else None
        if not isinstance(files, dict) or not all(map(cell_of, files)):
            raise UserError(f"{path}: no list of added files; {_mend(path.stem)}")
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
    return {path: digest for path, digest in added(results).items() if _is_cell(path, results)}


def _is_cell(path: Path, results: Path) -> bool:
    return path.suffix == ".json" and len(path.relative_to(results).parts) == 3


def origins(devices: Iterable[str]) -> dict[str, str]:
    """The names after @ of those devices that have one, by device."""
    return {device: device.partition("@")[2] for device in devices if "@" in device}
