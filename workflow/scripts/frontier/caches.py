"""One folder for what several checkouts, or several users, can share.

LLM_FRONTIER_CACHE names it; without that, everything lies in the checkout's own resources/. What
is in it lies at a path with its identity in it, is complete when its lock is there, and is made by
whoever is first while others wait.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import filelock

from frontier import files
from frontier.errors import UserError

VARIABLE = "LLM_FRONTIER_CACHE"
OWN = Path("resources")


def root() -> Path:
    """The shared folder, or the checkout's own (relative, as every path of the workflow)."""
    named = os.environ.get(VARIABLE)
    return Path(named).expanduser() if named else OWN


def place(own: Path) -> Path:
    """Where what belongs at resources/… really lies; anything else lies where it says."""
    return root() / own.relative_to(OWN) if own.is_relative_to(OWN) else own


def locked(path: Path) -> filelock.FileLock:
    """The lock of whoever makes what lies at `path`; other users may take it as well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return filelock.FileLock(path.with_name(f"{path.name}.lock"), mode=0o666)


def made_once(own: Path, make: Callable[[Path], None]) -> None:
    """Have the folder `own`: `make` fills a new one, unless the shared folder has it complete.

    Complete is a folder whose files are as its lock.json says. From a shared folder they are
    linked, and the lock copied, so that this checkout's own state is its own.
    """
    shared = place(own)
    if not _complete(shared):
        with locked(shared):
            if not _complete(shared):  # nobody else has made it meanwhile
                with files.replaced_folder(shared) as new:
                    make(new)
    if shared != own:
        with files.replaced_folder(own) as new:
            for path in sorted(shared.iterdir()):
                if path.name == "lock.json":
                    files.write_bytes(new / path.name, path.read_bytes())
                else:
                    files.link(path, new / path.name)


def _complete(folder: Path) -> bool:
    if not (folder / "lock.json").exists():
        return False
    try:
        files.check_lock(folder)
    except UserError:
        return False
    return True
