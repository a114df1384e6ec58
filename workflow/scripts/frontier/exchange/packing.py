"""Bundles: a tar file of cells and, at its end, manifest.json with the sha256 of every file.

Bundles come from other people, so nothing in one is trusted unchecked.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Self

from frontier.errors import UserError
from frontier.exchange import foreign
from frontier.exchange.private import Private
from frontier.host.files import replaced
from frontier.results import layout
from frontier.values import sha256

MANIFEST = "manifest.json"
CHUNK = 1 << 20
LARGEST = 8 << 30  # bytes unpacked; some ten thousand cells
MOST_MANIFEST = 64 << 20


def files_of(cell: Path) -> Iterator[Path]:
    """A cell's files: summary, table of requests, and its measurement."""
    yield cell
    yield layout.requests_of(cell)
    scored = foreign.summary(cell).requests_sha256
    for measurement in layout.measurements_of(cell):
        # Of several measurements, with different code or settings, the one that was scored.
        if scored and foreign.measured(measurement) == scored:
            yield measurement
            yield measurement.with_name(layout.REQUESTS)
            return


def pack(results: Path, bundle: Path) -> int:
    """Writes all cells measured here as a bundle; returns their number.

    Raises UserError if there are none, one is invalid, or a file reveals the user or the machine.
    """
    cells, private = _sendable(results), Private()
    names = _checked(cells, results)
    bundle.parent.mkdir(parents=True, exist_ok=True)
    digests: dict[str, str] = {}
    with (
        replaced(bundle) as temporary,
        temporary.open("wb") as raw,
        # No file name, time or owner, which would reveal the sender's.
        gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as stream,
        # No extended headers, which `unpack` rejects.
        tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name in names:
            content = (results / name).read_bytes()
            private.check(results / name, content)
            digests[name] = hashlib.sha256(content).hexdigest()
            _append(archive, name, content)
        _append(
            archive,
            MANIFEST,
            json.dumps({"layout": layout.VERSION, "files": digests}, indent=1).encode(),
        )
    return len(cells)


def _sendable(results: Path) -> list[Path]:
    found = layout.cells(results)
    if not found:
        raise UserError(f"{results}: contains no measured cells")
    return found


def _checked(cells: list[Path], results: Path) -> list[str]:
    """The names of cells' files. Raises UserError for one that could not be added elsewhere."""
    try:
        paths = [path for cell in cells for path in files_of(cell)]
        names = [path.relative_to(results).as_posix() for path in paths]
        foreign.check(results, names)
    except UserError as error:
        raise UserError(f"{error} (rebuild it with snakemake, or delete it)") from None
    return names


def _append(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def copy(results: Path, folder: Path) -> dict[str, str]:
    """Copies the cells of another machine's results/ to `folder`; returns digests by name.

    Raises UserError for a missing file or a link that leads out of `results`.
    """
    digests = {}
    for cell in _sendable(results):
        for path in files_of(cell):
            if not path.is_file() or not path.resolve().is_relative_to(results.resolve()):
                raise UserError(f"{path}: missing, or a link that leads out of {results}")
            name = path.relative_to(results).as_posix()
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, folder / name)
            digests[name] = sha256(folder / name)
    foreign.check(folder, list(digests))
    return digests


class _Bounded(gzip.GzipFile):
    """A bundle's unpacked content. Raises UserError if it is too large for a study."""

    left = LARGEST

    def read(self, size: int | None = -1) -> bytes:
        """Reads at most `size` bytes."""
        found = super().read(size)
        self.left -= len(found)
        if self.left < 0:
            raise UserError(f"more than {LARGEST >> 30} GB unpacked, too large for a study")
        return found


class _File(tarfile.TarInfo):
    """A member that is a plain file; any other type is rejected unread."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Parses a member's header."""
        member = super().frombuf(buf, encoding, errors)
        if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
            raise UserError(f"{member.name[:200]!r} is not a plain file")
        return member


def unpack(bundle: Path, folder: Path) -> dict[str, str]:
    """Writes a bundle's files to the empty `folder`; returns digests by name.

    Raises UserError for a bundle that is truncated, altered, too large, or has files of no cell.
    """
    written: dict[str, str] = {}
    manifest: list[bytes] = []
    try:
        with _Bounded(bundle) as stream:
            with tarfile.open(fileobj=stream, mode="r|", tarinfo=_File) as archive:
                for member in archive:
                    content = archive.extractfile(member)
                    if member.name == MANIFEST and content and not manifest:
                        manifest.append(content.read(MOST_MANIFEST))
                    elif "@" in member.name or not layout.cell_of(member.name) or not content:
                        raise UserError(f"{member.name[:200]!r} is not a file of a cell")
                    elif member.name in written:
                        raise UserError(f"{member.name} occurs twice")
                    else:
                        written[member.name] = _write(content, folder / member.name)
            while stream.read(CHUNK):  # to the end, where the checksum is
                pass
    except FileNotFoundError:
        raise UserError(f"{bundle}: no such file") from None
    except UserError as error:
        raise UserError(f"{bundle}: {error}") from None
    except (tarfile.TarError, zlib.error, EOFError, gzip.BadGzipFile) as error:
        raise UserError(f"{bundle}: not a complete bundle: {error}") from None
    _check_digests(bundle, b"".join(manifest), written)
    foreign.check(folder, list(written))
    return written


def _write(content: IO[bytes], path: Path) -> str:
    """Writes a file in chunks; returns its sha256."""
    digest = hashlib.sha256()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        while chunk := content.read(CHUNK):
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest()


def _check_digests(bundle: Path, manifest: bytes, written: dict[str, str]) -> None:
    """Raises UserError unless the manifest lists exactly these files with these digests."""
    try:
        listed = json.loads(manifest)
        digests: dict[str, str] = dict(listed["files"])
    except (KeyError, ValueError, TypeError, RecursionError):
        raise UserError(f"{bundle}: not a bundle: it has no readable {MANIFEST}") from None
    for name in sorted(digests.keys() ^ written.keys()):
        raise UserError(f"{bundle}: {name} is {'missing' if name in digests else 'not listed'}")
    for name, digest in written.items():
        if digests[name] != digest:
            raise UserError(f"{bundle}: {name} was altered: its sha256 differs")
    layout.check_version(listed.get("layout"), bundle)
