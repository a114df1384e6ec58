"""The lock.json beside files: whether they are as they were when it was written."""

from __future__ import annotations

import json
from pathlib import Path

from frontier.errors import UserError
from frontier.values import read_json, sha256

NAME = "lock.json"
SMALL_BYTES = 1 << 24


def lock_is_whole(lock: Path) -> bool:
    """Whether a lock.json can be read, and says something of a folder."""
    try:
        told = json.loads(lock.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(told, dict) and bool(told.keys() & {"files", "outcome", "packages"})


def check_lock(folder: Path) -> None:
    """Raise UserError if a file is not as the lock.json beside it says; without a lock, nothing.

    Small files are compared by sha256, large ones (weights) by size.
    """
    lock = folder / NAME
    if not lock.exists():
        return
    if not lock_is_whole(lock):
        raise UserError(f"{lock}: altered since it was written; delete {folder} to get it again")
    for name, facts in read_json(lock).get("files", {}).items():
        path = folder / name
        size = path.stat().st_size if path.exists() else None
        small = size is not None and size <= SMALL_BYTES
        if size != facts["bytes"] or (small and sha256(path) != facts["sha256"]):
            raise UserError(f"{path}: altered since it was locked; delete {folder} to get it again")
