"""Results that travel: cells packed on one machine and added on another, unaltered or not at all.

A bundle is a tar file with manifest.json, which names every file with its sha256, and the files as
they lie below results/. Added cells keep their files; only their device is called DEVICE@NAME then,
so that the same cell measured here stays beside it and is never overwritten.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from frontier.errors import UserError
from frontier.files import read_json, replaced, sha256, write_bytes, write_json

MANIFEST = "manifest.json"
ADDED = "added"  # the folder below results/ with the manifests of what was added
NAME = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")
CHUNK = 1 << 20
CELL = re.compile(r"[^/@]+/[^/@]+/[^/@]+\.json")
SECRETS = re.compile(r"TOKEN|SECRET|PASSWORD|API_KEY", re.IGNORECASE)


def cells(results: Path) -> list[Path]:
    """The cells that were made here: VARIANT/DEVICE/TASK.json; none that were added."""
    found = results.glob("*/*/*.json")
    return sorted(path for path in found if CELL.fullmatch(path.relative_to(results).as_posix()))


def files_of(cell: Path, results: Path) -> Iterator[Path]:
    """A cell's own files: summary, table of requests, and what they were scored from."""
    yield cell
    yield cell.with_suffix(".parquet")
    told = json.loads(cell.read_bytes()).get("requests_sha256")
    for measurement in sorted(cell.with_suffix("").glob("*/measurement.json")):
        # Of several measurements, each with other code or settings, the one that was scored.
        if told and json.loads(measurement.read_bytes()).get("requests_sha256") == told:
            yield measurement
            yield measurement.with_name("requests.jsonl")


def pack(results: Path, bundle: Path) -> int:
    """Write all cells made here as a bundle; returns how many.

    Raises UserError where there is none, or where a file names this machine's folders or secrets.
    """
    found = cells(results)
    if not found:
        raise UserError(f"{results}: no cells to pack")
    contents = {}
    for cell in found:
        for path in files_of(cell, results):
            content = path.read_bytes()
            _check_private(path, content)
            contents[path.relative_to(results).as_posix()] = content
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    manifest = json.dumps({"files": digests}, indent=1).encode()
    bundle.parent.mkdir(parents=True, exist_ok=True)
    with replaced(bundle) as temporary, tarfile.open(temporary, "w:gz") as archive:
        for name, content in {MANIFEST: manifest, **contents}.items():
            member = tarfile.TarInfo(name)  # no owner, no time: those are the sender's
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return len(found)


def _check_private(path: Path, content: bytes) -> None:
    """Raise UserError if a file names a folder of this machine's user, or carries a secret."""
    private = {str(Path.home()): "your home folder", str(Path.cwd()): "this folder's path"}
    private |= {
        value: f"the value of {name}"
        for name, value in os.environ.items()
        if SECRETS.search(name) and len(value) > 7  # shorter ones are found by chance
    }
    for text, what in private.items():
        if len(text) > 1 and text.encode() in content:
            raise UserError(f"{path}: contains {what}; it is not packed")


def read(bundle: Path) -> dict[str, bytes]:
    """A bundle's files by name. Raises UserError for one that is cut off, altered or strange."""
    try:
        with gzip.open(bundle) as stream, tarfile.open(fileobj=stream, mode="r:") as archive:
            contents = {
                member.name: file.read()
                for member in archive
                if (file := archive.extractfile(member)) is not None
            }
            while stream.read(CHUNK):  # to the end, where the checksum is
                pass
    except FileNotFoundError:
        raise UserError(f"{bundle}: no such file") from None
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise UserError(f"{bundle}: not a whole bundle: {error}") from None
    try:
        digests: dict[str, str] = dict(json.loads(contents.pop(MANIFEST))["files"])
    except (KeyError, ValueError, TypeError):
        raise UserError(f"{bundle}: no bundle: it has no readable {MANIFEST}") from None
    for name in sorted(digests.keys() ^ contents.keys()):
        raise UserError(f"{bundle}: {name} is {'missing' if name in digests else 'not in it'}")
    for name, content in contents.items():
        if hashlib.sha256(content).hexdigest() != digests[name]:
            raise UserError(f"{bundle}: {name} was altered: its sha256 differs")
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise UserError(f"{bundle}: {name} lies outside of results/")
    return contents


def add(bundle: Path, name: str, results: Path) -> tuple[list[str], list[str]]:
    """Put a bundle's cells below results/ as VARIANT/DEVICE@NAME/TASK.

    Returns the cells added and those that were measured here as well under other conditions, both
    as VARIANT/DEVICE/TASK. What was added under this name before is replaced; what was measured
    here is not touched. Raises UserError as `read` does, and for a name that is none.
    """
    if not NAME.fullmatch(name):
        raise UserError(f"name {name!r}: use small letters, digits, dots, dashes")
    contents = read(bundle)
    for old in results.glob(f"*/*@{name}"):
        shutil.rmtree(old)
    for path, content in contents.items():
        write_bytes(results / _renamed(path, name), content)
    digests = {
        str(_renamed(path, name)): hashlib.sha256(content).hexdigest()
        for path, content in contents.items()
    }
    write_json(results / ADDED / f"{name}.json", {"files": digests})
    told = {path: json.loads(content) for path, content in contents.items() if CELL.fullmatch(path)}
    differing = [path for path, cell in told.items() if _differs(results / path, cell)]
    return [_named(path) for path in told], [_named(path) for path in differing]


def added(results: Path) -> dict[Path, str]:
    """Every file that was added, with its sha256 as it was sent."""
    return {
        results / name: digest
        for manifest in sorted((results / ADDED).glob("*.json"))
        for name, digest in read_json(manifest)["files"].items()
    }


def check_added(results: Path) -> None:
    """Raise UserError if a file is not as it was sent."""
    for path, digest in added(results).items():
        if not path.exists() or sha256(path) != digest:
            raise UserError(f"{path}: altered since it was added; add its bundle again")


def added_cells(results: Path) -> dict[Path, str]:
    """The summaries among them."""
    found = added(results).items()
    return {path: digest for path, digest in found if len(path.relative_to(results).parts) == 3}


def _named(path: str) -> str:
    return path.removesuffix(".json")


def _renamed(path: str, name: str) -> PurePosixPath:
    variant, device, *rest = PurePosixPath(path).parts
    return PurePosixPath(variant, f"{device}@{name}", *rest)


def _differs(here: Path, theirs: dict[str, Any]) -> bool:
    """Whether a cell was made here too, from something else or on other hardware."""
    if not here.exists():
        return False
    ours = read_json(here)
    places = (("identity", "digest"), ("provenance", "hardware"))
    return any(_told(ours, place) != _told(theirs, place) for place in places)


def _told(cell: Any, keys: tuple[str, ...]) -> Any:
    for key in keys:
        cell = (cell or {}).get(key)
    return cell
