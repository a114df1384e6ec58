"""Checks, before planning, that the workflow can run in this folder and this shell."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterable
from pathlib import Path

from frontier.errors import UserError

# Address space and data for our programs' imports; measured on Linux without a GPU.
ENOUGH_BYTES = {"RLIMIT_AS": 1_500_000_000, "RLIMIT_DATA": 600_000_000}
COMMANDS = {"RLIMIT_AS": "ulimit -v", "RLIMIT_DATA": "ulimit -d"}


def check_folders(folders: Iterable[Path]) -> None:
    """Raises UserError if a folder that we write to is a file or a broken link."""
    for path in folders:
        if path.is_symlink() and not path.exists():
            raise UserError(f"{path}: a link to {path.readlink()}, which does not exist")
        if path.exists() and not path.is_dir():
            raise UserError(f"{path}: not a folder; move it: results and inputs go there")


def check_memory() -> None:
    """Raises UserError if this shell limits processes to too little memory to start."""
    for limit, enough in ENOUGH_BYTES.items():
        most, _ = resource.getrlimit(getattr(resource, limit))
        if most != resource.RLIM_INFINITY and most < enough:
            raise UserError(
                f"{COMMANDS[limit]} is {most // 1024}: processes are limited to "
                f"{most / 1e9:.2f} GB, but need {enough / 1e9:g} GB to start"
            )


def check_writable(paths: Iterable[Path]) -> None:
    """Raises UserError for the first of these files whose folder is not writable."""
    for folder in dict.fromkeys(path.parent for path in paths):
        there = next(one for one in (folder, *folder.parents) if one.exists())
        if there.is_dir() and not os.access(there, os.W_OK | os.X_OK):
            raise UserError(
                f"{there}: cannot be written to; make it writable and run the same command again"
            )
