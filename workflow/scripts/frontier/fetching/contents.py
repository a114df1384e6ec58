"""Digests of local files and folders by their content, independent of their place."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from frontier import values
from frontier.errors import UserError
from frontier.host import files
from frontier.values import visible_files

Read = Callable[[Path], Iterable[str]]
"""Lists the files in a folder that are read, by their names."""
# Relative to the working directory, like every path of the workflow.
CACHE = Path("resources/digests.json")
# Hashing fewer bytes than this is cheaper than remembering the digest.
REMEMBERED_BYTES = 1 << 20
# A file that changed just now may change again within the same tick of the file system's clock.
SETTLED_NS = 2_000_000_000


def digest(path: Path) -> str:
    """Hex sha256 of a file, or of a folder's sorted relative names and their files' sha256s.

    Hidden files do not count. Digests of large files are cached in resources/digests.json and
    recomputed when size, times or inode differ. The time of the last status change is compared
    because, unlike the modification time, it cannot be set back.
    Raises UserError if the path does not exist or cannot be read.
    """
    if path.is_dir():
        return digest_of(visible_files(path))
    if path.exists() and not path.is_file():  # /dev/zero never ends, a pipe may never begin
        raise UserError(f"{path}: neither a file nor a folder")
    return _digests({path.name: path})[path.name]


def digest_of(paths: Mapping[str, Path]) -> str:
    """The digest of a folder with these files under these names. Raises UserError like `digest`."""
    return folder_digest(_digests(paths))


def _digests(paths: Mapping[str, Path]) -> dict[str, str]:
    """The sha256 of each file."""
    known = _load(CACHE)
    before = dict(known)
    try:
        shas = {name: _file(path, known) for name, path in paths.items()}
    except FileNotFoundError as error:
        raise UserError(f"{error.filename}: no such file or folder") from None
    except OSError as error:
        raise UserError(f"{error.filename}: cannot be read ({error.strerror})") from None
    if known != before:
        # The cache only saves time; a write that matters would report a full disk.
        with suppress(OSError):
            files.write_json(CACHE, known)
    return shas


def folder_digest(shas: dict[str, str]) -> str:
    """Hex sha256 over relative names and the sha256s of their files."""
    text = json.dumps(sorted(shas.items()), separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _load(cache: Path) -> dict[str, list[object]]:
    try:
        return dict(json.loads(cache.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}  # absent or damaged: costs only time


def _stamp(state: os.stat_result) -> list[object]:
    """The values that change when a file is written. A status change's time cannot be set back."""
    return [state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino]


def _settled(state: os.stat_result) -> bool:
    return time.time_ns() - max(state.st_mtime_ns, state.st_ctime_ns) > SETTLED_NS


def _file(path: Path, known: dict[str, list[object]]) -> str:
    state = path.stat()
    if state.st_size < REMEMBERED_BYTES:
        return values.sha256(path)
    key = os.path.realpath(path)  # links to one file share its entry
    stamp = _stamp(state)
    entry = known.get(key)
    if isinstance(entry, list) and entry[:-1] == stamp:
        return str(entry[-1])
    result = values.sha256(path)
    if _settled(state):
        known[key] = [*stamp, result]
    return result


class Digests:
    """Hex sha256s of many files, each read once until it changes."""

    def __init__(self, cache: Path) -> None:
        """Loads the digests cached in a file by earlier runs."""
        self._cache = cache
        self._known = _load(cache)
        self._before = dict(self._known)

    def of(self, path: Path) -> str | None:
        """A file's digest; None if there is no file."""
        try:
            state = path.stat()
        except OSError:
            return None
        key, stamp = str(path), _stamp(state)
        entry = self._known.get(key)
        if isinstance(entry, list) and entry[:-1] == stamp:
            return str(entry[-1])
        result = values.sha256(path)
        if _settled(state):
            self._known[key] = [*stamp, result]
        return result

    def save(self) -> None:
        """Saves the digests, without those of deleted files."""
        if self._known == self._before:
            return
        there = {key: entry for key, entry in self._known.items() if Path(key).exists()}
        with suppress(OSError):
            files.write_json(self._cache, there)


def of_source(path: Path, where: str, read: Read | None) -> str:
    """The digest of a local file or, for a folder, of the files that `read` names in it.

    Raises UserError with the key that names it.
    """
    try:
        if read is None:
            return digest(path)
        return digest_of({name: path / name for name in read(path)})
    except UserError as error:
        raise UserError(f"{where}.path: {error}") from None
    except OSError as error:
        raise UserError(f"{where}.path: {error.filename}: {error.strerror}") from None
