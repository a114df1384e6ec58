"""A cache of facts about code and packages, valid until these change.

Following all that thirteen programs reach takes longer than the rest of planning a study.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from frontier.identity import SCRIPTS
from frontier.results import checksums

FOLDER = Path(".snakemake")


def of_sources() -> str:
    """A digest of all our source files, including this package's, and of Python's version."""
    names = sorted(path.name for path in SCRIPTS.iterdir() if path.name != "__pycache__")
    whole = hashlib.sha256("\n".join([sys.version, *names]).encode())
    for path in sorted(SCRIPTS.rglob("*.py")):
        content = path.read_bytes()
        whole.update(f"{path.relative_to(SCRIPTS)} {len(content)}\n".encode() + content)
    return whole.hexdigest()


def of_installed() -> str:
    """A digest of the installed distributions, their versions and places."""
    whole = hashlib.sha256(sys.version.encode())
    for place in filter(os.path.isdir, sys.path):
        names = (path.name for path in Path(place).iterdir())
        names = (name for name in names if name.endswith(("-info", ".egg", ".pth")))
        whole.update("\n".join([place, *sorted(names)]).encode())
    return whole.hexdigest()


class Remembered:
    """JSON values by name in .snakemake/, all dropped when `state` changes."""

    def __init__(self, name: str, state: Callable[[], str]) -> None:
        """Nothing is read yet."""
        self._name, self._state, self._changed = name, state, False

    @cached_property
    def _path(self) -> Path:
        return (FOLDER / f"{self._name}.json").absolute()  # a test may leave this folder

    @cached_property
    def _found(self) -> dict[str, Any]:
        state = self._state()
        with suppress(OSError):
            found = checksums.read(self._path.read_bytes())
            if found and found["state"] == state:
                return found
        return {"state": state}

    def get(self, name: str, find: Callable[[], Any]) -> Any:
        """The value of a name, computed by `find` if it is unknown."""
        if name not in self._found:
            self._found[name] = find()
            if not self._changed:
                self._changed = True
                atexit.register(self._save)
        return self._found[name]

    def _save(self) -> None:
        if self._path.parent.is_dir():
            with suppress(OSError):
                checksums.write(self._path, self._found)
