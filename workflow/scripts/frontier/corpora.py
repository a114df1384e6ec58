"""The text files of a dataset's folder, read alike whether plain, compressed or in an archive."""

from __future__ import annotations

import gzip
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, cast

from frontier.contents import visible_files
from frontier.errors import UserError

LOCK = "lock.json"
Open = Callable[[], IO[bytes]]
DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile, tarfile.TarError, zipfile.BadZipFile)


@dataclass(frozen=True)
class Entry:
    """A file of a dataset: its name without .gz, what messages call it, and how to read it."""

    name: PurePosixPath
    where: str
    open: Open
    path: Path | None
    """Where it lies uncompressed; None where it is compressed or part of an archive."""


def entries(folder: Path) -> Iterator[Entry]:
    """Every visible file of a folder in the order of names, those in archives by their own names.

    An entry of a tar archive must be read before the next entry is asked for: such an archive is
    read once, from front to back. Raises UserError naming an archive that cannot be read.
    """
    for name, path in visible_files(folder).items():
        if name == LOCK:
            continue
        try:
            if name.endswith(".zip"):
                yield from _zipped(path, name)
            elif name.endswith((".tar", ".tar.gz", ".tgz")):
                yield from _tarred(path, name)
            else:
                yield _entry(name, name, partial(_plain, path), path)
        except DAMAGED as error:
            raise UserError(f"{name}: damaged or truncated archive ({error})") from None


def _plain(path: Path) -> IO[bytes]:
    return path.open("rb")


def _entry(name: str, where: str, open_raw: Open, path: Path | None) -> Entry:
    if name.endswith(".gz"):
        return Entry(PurePosixPath(name[:-3]), where, lambda: _unpacked(open_raw()), None)
    return Entry(PurePosixPath(name), where, open_raw, path)


def _unpacked(raw: IO[bytes]) -> IO[bytes]:
    return cast(IO[bytes], gzip.GzipFile(fileobj=raw))


def _hidden(name: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(name).parts)


def _zipped(path: Path, where: str) -> Iterator[Entry]:
    def opened(name: str) -> IO[bytes]:
        return zipfile.ZipFile(path).open(name)

    with zipfile.ZipFile(path) as archive:
        names = [info.filename for info in archive.infolist() if not info.is_dir()]
    for name in names:
        if not _hidden(name):
            yield _entry(name, f"{where}:{name}", partial(opened, name), None)


def _tarred(path: Path, where: str) -> Iterator[Entry]:
    with tarfile.open(path, "r|*") as archive:

        def opened(member: tarfile.TarInfo) -> IO[bytes]:
            file = archive.extractfile(member)
            assert file is not None, member.name  # only None for what is no file
            return file

        for member in archive:
            name = member.name.removeprefix("./")
            if member.isfile() and not _hidden(name):
                yield _entry(name, f"{where}:{name}", partial(opened, member), None)


def lines(entry: Entry) -> Iterator[tuple[int, str]]:
    """The lines of a UTF-8 text, numbered from 1, without their ends.

    Only a line feed ends a line: subtitles contain other separators that Unicode counts as such.
    Raises UserError with file and row number where the file is damaged or is no UTF-8.
    """
    number = 0
    try:
        with entry.open() as file:
            for raw in file:
                number += 1
                text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
                yield number, text.removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise UserError(f"{entry.where}: row {number} is not UTF-8") from None
    except DAMAGED as error:
        raise UserError(
            f"{entry.where}: damaged or truncated after row {number} ({error})"
        ) from None


def text(entry: Entry) -> str:
    """A whole UTF-8 text. Raises UserError naming a file that is damaged or is no UTF-8."""
    try:
        with entry.open() as file:
            return file.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{entry.where}: not UTF-8 (byte {error.start})") from None
    except DAMAGED as error:
        raise UserError(f"{entry.where}: damaged or truncated ({error})") from None
