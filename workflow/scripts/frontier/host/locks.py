"""The lock.json next to files: checks that they are unchanged since it was written."""

from __future__ import annotations

import json
from pathlib import Path

from frontier.errors import UserError
from frontier.values import read_json, sha256

NAME = "lock.json"
SMALL_BYTES = 1 << 24


def lock_is_whole(lock: Path) -> bool:
    """True if a lock.json can be read and describes a folder."""
    try:
        content = json.loads(lock.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and bool(content.keys() & {"files", "outcome", "packages"})


def check_lock(folder: Path) -> None:
    """Raises UserError if a file does not match the lock.json next to it, if there is one.

    Small files are compared by sha256, large ones (weights) by size, unless they are links to files
    that were written since: those of a local checkpoint may be replaced in their own place.
    """
    lock = folder / NAME
    if not lock.exists():
        return
    if not lock_is_whole(lock):
        raise UserError(f"{lock}: altered since it was written; delete {folder} and run again")
    for name, facts in read_json(lock).get("files", {}).items():
        path = folder / name
        size = path.stat().st_size if path.exists() else None
        read = size is not None and (size <= SMALL_BYTES or _linked_and_newer(path, lock))
        if size != facts["bytes"] or (read and sha256(path) != facts["sha256"]):
            raise UserError(f"{path}: altered since it was locked; delete {folder} and run again")


def _linked_and_newer(path: Path, lock: Path) -> bool:
    """True for a link to a file of a later status change, whose time cannot be set back."""
    return path.is_symlink() and path.stat().st_ctime_ns > lock.stat().st_ctime_ns
