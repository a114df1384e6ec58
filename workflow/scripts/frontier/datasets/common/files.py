"""The text files in a dataset's folder, read the same way plain, compressed or from an archive."""

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
"""Bytes; limits of a row, and of a file that is read at once."""


@dataclass(frozen=True)
class DatasetFile:
    """A file of a dataset: its name without .gz, its name in messages, and its opener."""

    name: PurePosixPath
    where: str
    open: Open
    path: Path | None
    """Its path if it is uncompressed; None if it is compressed or part of an archive."""


def read_files(folder: Path, wanted: re.Pattern[str]) -> list[str]:
    """The names of the files in a folder that a loader reads; others do not count.

    `folder` may also be a single file, which is then the only one.

    `wanted` matches the names of the loader's files, without folder and .gz; the content of
    archives is unknown. Raises UserError if there are only archives that cannot be unpacked.
    """
    names = [folder.name] if folder.is_file() else visible_files(folder)
    names = [name for name in names if name != LOCK]
    found = [name for name in names if archives.is_archive(name) or _matches(wanted, name)]
    packed = [name for name in names if name.lower().endswith(archives.UNREADABLE)]
    if packed and not found:
        raise UserError(f"{folder}: {packed[0]}: cannot be unpacked here; {archives.INSTEAD}")
    return found


def some_files(folder: Path, wanted: re.Pattern[str]) -> list[str]:
    """Like `read_files`, but raises UserError if there is none."""
    found = read_files(folder, wanted)
    if not found:
        raise UserError(f"{folder}: the dataset's loader reads none of the files in this folder")
    return found


def _matches(wanted: re.Pattern[str], name: str) -> bool:
    return bool(wanted.fullmatch(PurePosixPath(archives.bare(name)).name))


def entries(folder: Path, wanted: re.Pattern[str]) -> Iterator[DatasetFile]:
    """The files from `read_files`, sorted by name, and those in archives by their own names.

    An entry of a tar archive should be read before the next one is requested, so that the archive
    is read once, from start to end. Raises UserError naming an unreadable archive.
    """
    place = folder.parent if folder.is_file() else folder
    for name in read_files(folder, wanted):
        if archives.is_archive(name):
            for member, read in archives.members(place / name, name):
                entry = _entry(member, f"{name}:{member}", read, None)
                if wanted.fullmatch(entry.name.name):
                    yield entry
        else:
            yield _entry(name, name, partial(_plain, place / name), place / name)


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

    Only a line feed ends a line: subtitles contain other characters that Unicode counts as line
    ends. Raises UserError with file and row number if the file is damaged or not UTF-8.
    """
    number = 0
    try:
        with (
            archives.damage_reported(
                lambda: f"{entry.where}: damaged or truncated after row {number}"
            ),
            entry.open() as file,
        ):
            while raw := file.readline(MAX_ROW):
                number += 1
                if len(raw) == MAX_ROW:
                    raise UserError(f"{entry.where}: row {number} is longer than {MAX_ROW:,} bytes")
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
                if "\0" in line:
                    raise UserError(f"{entry.where}: row {number} contains a NUL: not UTF-8?")
                yield number, line.removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise UserError(f"{entry.where}: row {number} is not UTF-8") from None


def text(entry: DatasetFile) -> str:
    """A whole UTF-8 text. Raises UserError naming a file that is damaged or not UTF-8."""
    with (
        archives.damage_reported(lambda: f"{entry.where}: damaged or truncated"),
        entry.open() as file,
    ):
        raw = file.read(MAX_TEXT)
    if len(raw) == MAX_TEXT:
        raise UserError(f"{entry.where}: is longer than {MAX_TEXT:,} bytes")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{entry.where}: not UTF-8 (byte {error.start})") from None


class ByteStrings:
    """Decodes rows that were written as Python's representation of bytes, b'text\\n', if all are.

    Read as text they would be different questions and answers. A mixture of both is rejected as
    ambiguous.
    """

    def __init__(self) -> None:
        """Lets the first row decide for all."""
        self.decoding: bool | None = None

    def decoded(self, value: str, where: str) -> str:
        """A value as text. Raises UserError, with `where`, if its kind is not the first one's."""
        literal = BYTES.fullmatch(value.strip()) is not None
        if self.decoding is None:
            self.decoding = literal
        if literal != self.decoding:
            what = "written" if literal else "not written"
            raise UserError(f"{where} is {what} as Python's bytes (b'…'), unlike earlier values")
        if not literal:
            return value
        try:
            raw = ast.literal_eval(value.strip())
            return str(raw, "utf-8") if isinstance(raw, bytes) else value
        except (SyntaxError, ValueError):
            raise UserError(f"{where}: bytes (b'…') that are not UTF-8 text") from None
