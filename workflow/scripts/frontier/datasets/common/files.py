"""The text files of a dataset's folder, read alike whether plain, compressed or in an archive."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from frontier.datasets.common import archives
from frontier.datasets.common.archives import Open
from frontier.errors import UserError
from frontier.values import LOCK, visible_files

BYTES = re.compile(r"""[bB]('.*'|".*")""", re.DOTALL)
MAX_ROW, MAX_TEXT = 1 << 24, 1 << 30
"""Bytes; what is longer is no row, and no file to be read at once."""


@dataclass(frozen=True)
class DatasetFile:
    """A file of a dataset: its name without .gz, what messages call it, and how to read it."""

    name: PurePosixPath
    where: str
    open: Open
    path: Path | None
    """Where it lies uncompressed; None where it is compressed or part of an archive."""


def read_files(folder: Path, wanted: re.Pattern[str]) -> list[str]:
    """The names of a folder's files in which a loader looks for rows; others do not count.

    `wanted` matches the names of the loader's files, without folder and .gz; what is in an archive
    is not known. Raises UserError where nothing else is there than what cannot be unpacked.
    """
    names = [name for name in visible_files(folder) if name != LOCK]
    found = [name for name in names if archives.is_archive(name) or _matches(wanted, name)]
    packed = [name for name in names if name.lower().endswith(archives.UNREADABLE)]
    if packed and not found:
        raise UserError(f"{folder}: {packed[0]}: cannot be unpacked here; {archives.INSTEAD}")
    return found


def some_files(folder: Path, wanted: re.Pattern[str]) -> list[str]:
    """The same, where there has to be one. Raises UserError."""
    found = read_files(folder, wanted)
    if not found:
        raise UserError(f"{folder}: no file in this folder is one that the dataset's loader reads")
    return found


def _matches(wanted: re.Pattern[str], name: str) -> bool:
    return bool(wanted.fullmatch(PurePosixPath(archives.bare(name)).name))


def entries(folder: Path, wanted: re.Pattern[str]) -> Iterator[DatasetFile]:
    """What `read_files` names, in the order of names, and by their own names what is in archives.

    An entry of a tar archive is best read before the next entry is asked for: that reads it once,
    from front to back. Raises UserError naming an archive that cannot be read.
    """
    for name in read_files(folder, wanted):
        if archives.is_archive(name):
            for member, read in archives.members(folder / name, name):
                entry = _entry(member, f"{name}:{member}", read, None)
                if wanted.fullmatch(entry.name.name):
                    yield entry
        else:
            yield _entry(name, name, partial(_plain, folder / name), folder / name)


def _plain(path: Path) -> IO[bytes]:
    return path.open("rb")


def _entry(name: str, where: str, read: Open, path: Path | None) -> DatasetFile:
    whole = archives.bare(name) == name
    return DatasetFile(
        PurePosixPath(archives.bare(name)),
        where,
        archives.unpacked(name, read),
        path if whole else None,
    )


def lines(entry: DatasetFile) -> Iterator[tuple[int, str]]:
    """The lines of a UTF-8 text, numbered from 1, without their ends.

    Only a line feed ends a line: subtitles contain other separators that Unicode counts as such.
    Raises UserError with file and row number where the file is damaged or is no UTF-8.
    """
    number = 0
    try:
        with (
            archives.damage_told(lambda: f"{entry.where}: damaged or truncated after row {number}"),
            entry.open() as file,
        ):
            while raw := file.readline(MAX_ROW):
                number += 1
                if len(raw) == MAX_ROW:
                    raise UserError(f"{entry.where}: row {number} is longer than {MAX_ROW:,} bytes")
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
                if "\0" in line:
                    raise UserError(f"{entry.where}: row {number} has a NUL in it: not UTF-8?")
                yield number, line.removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise UserError(f"{entry.where}: row {number} is not UTF-8") from None


def text(entry: DatasetFile) -> str:
    """A whole UTF-8 text. Raises UserError naming a file that is damaged or is no UTF-8."""
    with archives.damage_told(lambda: f"{entry.where}: damaged or truncated"), entry.open() as file:
        raw = file.read(MAX_TEXT)
    if len(raw) == MAX_TEXT:
        raise UserError(f"{entry.where}: is longer than {MAX_TEXT:,} bytes")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{entry.where}: not UTF-8 (byte {error.start})") from None


class ByteStrings:
    """Rows that somebody wrote as Python shows bytes, b'text\\n': decoded where all of them are.

    Taken as text they would be other questions, and other answers. Some such rows among others
    are refused, since nobody knows which are meant.
    """

    def __init__(self) -> None:
        """The first row decides what all of them are."""
        self.decoding: bool | None = None

    def decoded(self, value: str, where: str) -> str:
        """A value as text. Raises UserError, with `where`, where it is not as the first one was."""
        literal = BYTES.fullmatch(value.strip()) is not None
        if self.decoding is None:
            self.decoding = literal
        if literal != self.decoding:
            what = "written" if literal else "not written"
            raise UserError(f"{where} is {what} as Python shows bytes (b'…'), unlike those before")
        if not literal:
            return value
        try:
            raw = ast.literal_eval(value.strip())
            return str(raw, "utf-8") if isinstance(raw, bytes) else value
        except (SyntaxError, ValueError):
            raise UserError(f"{where}: bytes (b'…') that are no UTF-8 text") from None
