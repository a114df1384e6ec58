"""Detection of what must not leave this machine: the user's name, local paths, and keys."""

from __future__ import annotations

import configparser
import getpass
import io
import json
import netrc
import os
import platform
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import polars as pl
from huggingface_hub import get_token
from huggingface_hub.constants import HF_STORED_TOKENS_PATH

from frontier.errors import UserError
from frontier.host import caches

# Names of variables with credentials: HF_PAT, AWS_SECRET_ACCESS_KEY, PGPASSWORD.
SECRETS = re.compile(
    r"TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL|(API|ACCESS|PRIVATE)_?KEY|(^|_)(PAT|PASS|PWD|AUTH|KEY)(_|$)",
    re.IGNORECASE,
)
# A name and a password in an address, in any variable or file.
LOGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/@:]*:([^\s/@]+)@", re.IGNORECASE)
SHORTEST = 8  # characters: shorter secrets would match by chance
NOBODY = frozenset({"", "root", "user", "localhost"})  # names that reveal nothing
PATH = re.compile(r"(?<![\w:/.])/([\w.-]+)/\S")
EVERYWHERE = frozenset({"usr", "lib", "bin", "etc", "dev", "proc", "sys"})
# Values of a summary or a measurement that come neither from the catalogue nor from a model.
FREE_TEXT = ("reason", "figures", "provenance", "sessions")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return ""


def _is_here(top: str) -> bool:
    """True if this machine has a folder /top that is neither standard nor a compiler's."""
    return top not in EVERYWHERE and Path("/", top).exists()


def _secrets() -> Iterator[tuple[str, str]]:
    """The keys and passwords in this user's environment, netrc and hub, with their origin."""
    for name, value in os.environ.items():
        # SSH_AUTH_SOCK, TOKEN_FILE: paths are searched for as paths.
        if SECRETS.search(name) and not _is_file(value):
            yield value, f"the value of {name}"
        for password in LOGIN.findall(value):
            yield password, f"the password in {name}"
    with suppress(OSError, netrc.NetrcParseError):
        path = os.environ.get("NETRC") or Path.home() / ".netrc"
        for host, (_, _, password) in netrc.netrc(path).hosts.items():
            yield password or "", f"the password for {host} in {path}"
    yield get_token() or "", "your token of the Hugging Face hub"
    stored = configparser.ConfigParser(interpolation=None)
    with suppress(configparser.Error, UnicodeDecodeError):
        stored.read(HF_STORED_TOKENS_PATH, encoding="utf-8")
    for name in stored.sections():
        for key, value in stored.items(name):
            if SECRETS.search(key):
                yield value, f"your token {name} of the Hugging Face hub"


def _is_file(value: str) -> bool:
    try:
        return Path(value).exists()
    except (OSError, ValueError):  # too long for a path, or not a path
        return False


class Private:
    """This machine's folders, names and keys, to search for in files."""

    def __init__(self) -> None:
        """Collects them from the environment and the files in which programs store keys."""
        self.texts = {
            str(Path.home()): "your home folder",
            str(Path.cwd()): "this folder's path",
            str(caches.root().absolute()): f"the folder of {caches.VARIABLE}",
        }
        for secret, where in _secrets():
            if len(secret := secret.strip()) >= SHORTEST:
                forms = (secret, quote(secret, safe=""), unquote(secret))  # in addresses
                self.texts |= dict.fromkeys(forms, where)
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
        """Raises UserError if a cell's file reveals the machine's user or contains a key."""
        values = list(_values(path, content))
        # As read and as written: JSON escapes quotes and backslashes.
        text = "\n".join([content.decode(errors="replace"), *_words(values)])
        found = [what for private, what in self.texts.items() if private in text]
        if path.suffix == ".json":
            found += ["a password in an address"] * bool(LOGIN.search(text))
            words = "\n".join(_words([values[0].get(key) for key in FREE_TEXT]))
            found += [what for name, what in self.names.items() if name.search(words)]
            found += [f"a path below /{top}" for top in PATH.findall(words) if _is_here(top)]
        if found:
            raise UserError(
                f"{path}: contains {found[0]}; it is not packed (delete the cell to pack the rest)"
            )


def _values(path: Path, content: bytes) -> Iterator[Any]:
    """A file's values: a JSON value, one per line, or the rows of a compressed table."""
    if path.suffix == ".parquet":
        try:
            yield from pl.read_parquet(io.BytesIO(content)).iter_rows(named=True)
        except pl.exceptions.PolarsError as error:
            raise UserError(f"{path}: not a table: {error}") from None
    else:
        for text in content.splitlines() if path.suffix == ".jsonl" else [content]:
            try:
                yield json.loads(text)
            except (ValueError, RecursionError) as error:
                raise UserError(f"{path}: unreadable JSON: {error}") from None


def _words(value: Any) -> Iterator[str]:
    """All strings in a JSON value, including keys."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in [*value, *value.values()] if isinstance(value, dict) else value:
            yield from _words(one)
