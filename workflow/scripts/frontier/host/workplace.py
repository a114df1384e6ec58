"""Whether anything can run in this folder and this shell: said before anything is planned."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterable
from pathlib import Path

from frontier.errors import UserError

# Of addresses and of data, to import what our programs import; tried on Linux without a GPU.
ENOUGH_BYTES = {"RLIMIT_AS": 1_500_000_000, "RLIMIT_DATA": 600_000_000}
COMMANDS = {"RLIMIT_AS": "ulimit -v", "RLIMIT_DATA": "ulimit -d"}


def check_folders(folders: Iterable[Path]) -> None:
    """Raise UserError where something else lies in the place of a folder that we write to."""
    for path in folders:
        if path.is_symlink() and not path.exists():
            raise UserError(f"{path}: a link to {path.readlink()}, where nothing lies")
        if path.exists() and not path.is_dir():
            raise UserError(f"{path}: is not a folder; move it away, results and inputs go there")


def check_memory() -> None:
    """Raise UserError where this shell lets a process have too little memory to start."""
    for limit, enough in ENOUGH_BYTES.items():
        most, _ = resource.getrlimit(getattr(resource, limit))
        if most != resource.RLIM_INFINITY and most < enough:
            raise UserError(
                f"{COMMANDS[limit]} is {most // 1024}: of the memory that a process may have here, "
                f"{most / 1e9:.2f} GB, our programs take {enough / 1e9:g} GB to start"
            )


def check_writable(paths: Iterable[Path]) -> None:
    """Raise UserError for the first of these files, to be made or made again, that cannot be."""
    for folder in dict.fromkeys(path.parent for path in paths):
        there = next(one for one in (folder, *folder.parents) if one.exists())
        if there.is_dir() and not os.access(there, os.W_OK | os.X_OK):
            raise UserError(f"{there}: cannot be written to; the same command goes on when it can")
