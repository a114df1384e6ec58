"""What must not leave this machine: whose it is, where things lie on it, and keys."""

from __future__ import annotations

import getpass
import io
import json
import os
import platform
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from frontier import caches
from frontier.errors import UserError

SECRETS = re.compile(r"TOKEN|SECRET|PASSWORD|API_KEY", re.IGNORECASE)
NOBODY = frozenset({"", "root", "user", "localhost"})  # names that tell nothing
PATH = re.compile(r"(?<![\w:/.])/([\w.-]+)/\S")
EVERYWHERE = frozenset({"usr", "lib", "bin", "etc", "dev", "proc", "sys"})
# What a summary or a measurement tells in words that are not the catalogue's or a model's.
TOLD = ("reason", "provenance", "sessions")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run as a number without a name
        return ""


def _is_here(top: str) -> bool:
    """Whether this machine has a folder /top, which not every machine has (nor a compiler's)."""
    return top not in EVERYWHERE and Path("/", top).exists()


class Private:
    """This machine's folders, names and keys, to be looked for in files."""

    def __init__(self) -> None:
        """Ask the environment for them."""
        self.texts = {
            str(Path.home()): "your home folder",
            str(Path.cwd()): "this folder's path",
            str(caches.root().absolute()): f"the folder of {caches.VARIABLE}",
        }
        self.texts |= {
            value: f"the value of {name}"
            for name, value in os.environ.items()
            if SECRETS.search(name) and len(value) > 7  # shorter ones are found by chance
        }
        self.texts.pop("/", None)
        node = platform.node()
        names = dict.fromkeys((node, node.partition(".")[0]), "this machine's name")
        names[_user()] = "your user name"
        self.names = {
            re.compile(rf"(?<!\w){re.escape(name)}(?!\w)"): what
            for name, what in names.items()
            if name not in NOBODY
        }

    def check(self, path: Path, content: bytes) -> None:
        """Raise UserError if a cell's file tells whose machine it is from, or carries a key."""
        text = _readable(path, content)
        found = [what for private, what in self.texts.items() if private in text]
        if path.suffix == ".json":
            summary = json.loads(text)
            words = "\n".join(_words([summary.get(key) for key in TOLD]))
            found += [what for name, what in self.names.items() if name.search(words)]
            found += [f"a path below /{top}" for top in PATH.findall(words) if _is_here(top)]
        if found:
            raise UserError(
                f"{path}: contains {found[0]}; it is not packed (delete the cell to pack the rest)"
            )


def _readable(path: Path, content: bytes) -> str:
    """A file's content as text; a table's is compressed."""
    if path.suffix == ".parquet":
        try:
            return pl.read_parquet(io.BytesIO(content)).write_ndjson()
        except pl.exceptions.PolarsError as error:
            raise UserError(f"{path}: not a table: {error}") from None
    return content.decode(errors="replace")


def _words(value: Any) -> Iterator[str]:
    """Every text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _words(one)
