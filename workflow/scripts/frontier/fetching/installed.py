"""Reuse of this Python's packages in environments that pin the same versions.

Unpacking and compiling torch takes longer than the rest of an environment together, so a package
of the pinned version is copied from here, each file checked against the digest in the package's
RECORD. A package with altered files is left to pip.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import importlib.util
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path, PurePosixPath

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

INSTALLERS = {"pip", "uv"}  # others (conda, system packages) may place files elsewhere


def recorded(record: str) -> Iterator[tuple[PurePosixPath, str, int | None]]:
    """The files that a RECORD names, each with its digest (ALGORITHM=BASE64 or "") and size."""
    for path, digest, size in csv.reader(record.splitlines()):
        yield PurePosixPath(path), digest, int(size) if size else None


def requirement(pin: str) -> Requirement | None:
    """The requirement in a line of pins, without build settings; None for a line of settings."""
    try:
        return Requirement(pin.rstrip(" \\").partition(" --")[0])
    except InvalidRequirement:
        return None


def take(pins: Iterable[str], packages: Path, linked: bool) -> set[str]:
    """Copies the pinned packages that are here into a folder; returns their canonical names.

    `linked` makes hard links, which take no space; files are copied otherwise, and if the file
    system has no links. A pin with build settings is left to pip. torch brings its unpinned
    dependencies: CUDA's libraries, which differ between platforms.
    """
    wanted = [(pin, parsed) for pin in pins if (parsed := requirement(pin))]
    pinned: set[str] = {canonicalize_name(parsed.name) for _, parsed in wanted}
    taken: dict[str, metadata.Distribution] = {}
    for pin, parsed in wanted:
        needed: dict[str, metadata.Distribution | None] = {}
        if pin == str(parsed):  # nothing follows it
            if parsed.name == "torch":
                _with_unpinned(parsed, pinned - {"torch"}, needed, set())
            else:
                needed[canonicalize_name(parsed.name)] = _found(parsed)
        whole = {name: one for name, one in needed.items() if one and _is_whole(one)}
        if len(whole) == len(needed):
            taken |= whole
    for one in taken.values():
        _put(one, packages, linked)
    return taken.keys() & pinned


def lacking(pins: Iterable[str], found: Mapping[str, str]) -> str | None:
    """The first pin for this platform that packages (versions by name) do not satisfy."""
    versions = {canonicalize_name(name): version for name, version in found.items()}
    for parsed in filter(None, map(requirement, pins)):
        if parsed.marker and not parsed.marker.evaluate():
            continue
        version = versions.get(canonicalize_name(parsed.name))
        if version is None or not parsed.specifier.contains(version, prereleases=True):
            return str(parsed)
    return None


@cache
def _here() -> dict[str, metadata.Distribution]:
    """The packages of this Python that come from an index, by canonical name."""
    found: dict[str, metadata.Distribution] = {}
    for one in metadata.distributions():
        installer = (one.read_text("INSTALLER") or "").strip()
        if installer in INSTALLERS and not one.read_text("direct_url.json"):
            found.setdefault(canonicalize_name(one.metadata["Name"]), one)
    return found


def _found(wanted: Requirement) -> metadata.Distribution | None:
    one = _here().get(canonicalize_name(wanted.name))
    return one if one and wanted.specifier.contains(one.version, prereleases=True) else None


def _with_unpinned(
    wanted: Requirement,
    pinned: set[str],
    needed: dict[str, metadata.Distribution | None],
    seen: set[str],
) -> None:
    """Adds a package to `needed`, with its unpinned dependencies on this platform."""
    seen.add(str(wanted))
    one = needed[canonicalize_name(wanted.name)] = _found(wanted)
    for other in map(Requirement, (one.requires if one else None) or ()):
        extras = ("", *wanted.extras)
        applies = not other.marker or any(other.marker.evaluate({"extra": e}) for e in extras)
        if applies and canonicalize_name(other.name) not in pinned and str(other) not in seen:
            _with_unpinned(other, pinned, needed, seen)


def _root(one: metadata.Distribution) -> Path:
    return Path(str(one.locate_file("")))


def _parts(one: metadata.Distribution) -> list[tuple[PurePosixPath, str]] | None:
    """The files to copy, with their digests; None if one outside the folder may be needed.

    Manual pages are not needed, nor are scripts, which name their interpreter.
    """
    parts = []
    for path, digest, _ in recorded(one.read_text("RECORD") or ""):
        if path.parts[0] != "..":
            if path.suffix != ".pyc":
                parts.append((path, digest))
        elif "man" not in path.parts and not _is_script(_root(one) / path):
            return None
    return parts


def _is_script(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(2) == b"#!"
    except OSError:
        return False


@cache
def _is_whole(one: metadata.Distribution) -> bool:
    """True if every file to be copied matches its RECORD."""
    parts = _parts(one)
    return bool(parts) and all(
        _is_as(_root(one) / path, expected) for path, expected in parts or ()
    )


def _is_as(path: Path, expected: str) -> bool:
    algorithm, _, digest = expected.partition("=")
    if not digest:  # RECORD itself has none
        return path.name == "RECORD" and path.exists()
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, algorithm).digest()
    except (OSError, ValueError):
        return False
    return base64.urlsafe_b64encode(found).decode().rstrip("=") == digest.rstrip("=")


def _put(one: metadata.Distribution, packages: Path, linked: bool) -> None:
    """Puts a package's files into a folder, with their compiled forms."""
    for path, _ in _parts(one) or ():
        source = _root(one) / path
        _place(source, packages / path, linked)
        if path.suffix == ".py":
            compiled = Path(importlib.util.cache_from_source(str(source)))
            if compiled.exists():
                _place(compiled, (packages / path).parent / "__pycache__" / compiled.name, linked)


def _place(source: Path, at: Path, linked: bool) -> None:
    at.parent.mkdir(parents=True, exist_ok=True)
    if linked:
        try:
            os.link(source.resolve(), at)
            return
        except OSError:  # another file system, or another user's file
            pass
    shutil.copyfile(source, at)
    state = source.stat()
    os.utime(at, ns=(state.st_atime_ns, state.st_mtime_ns))  # by which compiled files are valid
    if state.st_mode & 0o100:
        at.chmod(at.stat().st_mode | (at.stat().st_mode & 0o444) >> 2)
