"""Files in archives, read in place: nothing is unpacked to disk."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, cast

from frontier.errors import Reason, UserError

Open = Callable[[], IO[bytes]]
TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
PACKERS: dict[str, Callable[[IO[bytes]], IO[bytes]]] = {
    ".gz": lambda raw: cast(IO[bytes], gzip.GzipFile(fileobj=raw)),
    ".bz2": lambda raw: cast(IO[bytes], bz2.BZ2File(raw)),
    ".xz": lambda raw: cast(IO[bytes], lzma.LZMAFile(raw)),  # noqa: SIM115 - closed by its reader
}
"""The compression of a single file, by its suffix."""
UNREADABLE = (".7z", ".rar", ".zst", ".tzst", ".lz4", ".lz", ".z", ".br", ".cab")
DAMAGED = (
    *(EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile),
    *(tarfile.TarError, zipfile.BadZipFile),
)
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
OTHER_METHODS = {1: "shrink", 6: "implode", 9: "Deflate64", 93: "Zstandard", 95: "XZ", 98: "PPMd"}
"""Names from PKWARE's APPNOTE, section 4.4.5; Windows compresses more than 2 GB by Deflate64."""
ENCRYPTED = 1  # the first bit of a member's flags
BOMB_BYTES, BOMB_RATIO = 1 << 30, 200
"""Larger files with a higher ratio are not text: prose is compressed 3-fold, logs about 20-fold."""
INSTEAD: Reason = "unpack it, and give the folder's path"


def is_archive(name: str) -> bool:
    """True if a file of that name is an archive."""
    return name.lower().endswith((".zip", *TARS))


def bare(name: str) -> str:
    """The name of the file in a compressed single file."""
    stem, dot, ending = name.rpartition(".")
    return stem if f".{ending.lower()}" in PACKERS and dot else name


def unpacked(name: str, read: Open) -> Open:
    """A function that opens a file, decompressing it if its name says so."""
    if bare(name) == name:
        return read
    packer = PACKERS[name[len(bare(name)) :].lower()]
    return lambda: packer(read())


def members(path: Path, where: str) -> Iterator[tuple[str, Open]]:
    """The files of an archive, with functions to open them, without hidden ones and Finder's.

    A member of a tar archive should be read before the next one is requested, so that the archive
    is read once, from start to end. Raises UserError naming an unreadable archive.
    """
    with damage_reported(lambda: f"{where}: damaged or truncated archive"):
        found = _zipped(path, where) if path.name.lower().endswith(".zip") else _tarred(path)
        for name, read in found:
            parts = PurePosixPath(name).parts
            if ".." in parts or PurePosixPath(name).is_absolute():
                raise UserError(f"{where}: {name!r} is outside the archive")
            if not any(part.startswith((".", "__MACOSX")) for part in parts):
                yield name, read


@contextmanager
def damage_reported(what: Callable[[], str]) -> Iterator[None]:
    """Turns the errors of reading a damaged file into a UserError that starts with `what()`."""
    try:
        yield
    except DAMAGED as error:
        raise UserError(f"{what()} ({error})") from None
    except OSError as error:
        if error.errno is not None:  # an error of the disk; bz2's errors on the file have no number
            raise
        raise UserError(f"{what()} ({error})") from None


def _zipped(path: Path, where: str) -> Iterator[tuple[str, Open]]:
    try:
        with zipfile.ZipFile(path) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir()]
    except NotImplementedError as error:
        raise UserError(f"{where}: cannot be read ({error}); {INSTEAD}") from None
    for info in infos:
        # Windows may have written backslashes.
        name = info.filename.replace("\\", "/").removeprefix("./")
        yield name, partial(_member, path, info, f"{where}:{name}")


def _member(path: Path, info: zipfile.ZipInfo, where: str) -> IO[bytes]:
    """Opens a file in a zip. Raises UserError for files that zipfile cannot or should not read."""
    if info.flag_bits & ENCRYPTED:
        raise UserError(f"{where}: is encrypted; {INSTEAD}")
    if info.compress_type not in METHODS:
        method = OTHER_METHODS.get(info.compress_type, f"method {info.compress_type}")
        raise UserError(f"{where}: is compressed by {method}, which cannot be read here; {INSTEAD}")
    if info.file_size > max(BOMB_BYTES, BOMB_RATIO * info.compress_size):
        raise UserError(
            f"{where}: {info.compress_size:,} bytes that unpack to {info.file_size:,} are not text"
        )
    try:
        return zipfile.ZipFile(path).open(info)
    except NotImplementedError as error:
        raise UserError(f"{where}: cannot be read ({error}); {INSTEAD}") from None


def _tarred(path: Path) -> Iterator[tuple[str, Open]]:
    here: tarfile.TarInfo | None = None
    try:
        stream = tarfile.open(path, "r|*")  # noqa: SIM115 - closed below
    except TypeError:  # from a truncated gzip header
        raise tarfile.ReadError("it ends within its header") from None
    with stream as archive:

        def opened(member: tarfile.TarInfo) -> IO[bytes]:
            # Seeks back for a loader that lists all names first.
            if member is here:
                file = archive.extractfile(member)
            else:
                again = tarfile.open(path, "r:*")  # noqa: SIM115 - closed with what it gives
                file = again.extractfile(again.getmember(member.name))
            assert file is not None, member.name  # None only for members that are not files
            return file

        for member in archive:
            here = member
            if member.isfile():
                yield member.name.removeprefix("./"), partial(opened, member)
        raw = archive.fileobj
        # A block of zeros ends an archive; one truncated between two files just stops.
        if raw is None or raw.tell() != archive.offset + tarfile.BLOCKSIZE:
            raise tarfile.ReadError("its end is missing")
    here = None
