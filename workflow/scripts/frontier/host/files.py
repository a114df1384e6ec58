"""Reading a program's input and writing whole files: what every program needs."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import psutil
from pydantic import BaseModel, ValidationError

from frontier.errors import UserError, check_interrupted
from frontier.text import shown
from frontier.unicode import parse_json, well_formed

SMALL_BYTES = 1 << 24
Spec = TypeVar("Spec", bound=BaseModel)


def read_spec(text: str) -> dict[str, Any]:
    """A program's --spec: JSON text, or the path of a JSON file. Raises UserError."""
    if not text.lstrip().startswith("{"):
        found: dict[str, Any] = read_json(Path(text))
        return found
    try:
        value: dict[str, Any] = json.loads(text)
    except ValueError as error:
        raise UserError(f"--spec: {error}") from None
    return value


def checked_spec(text: str, kind: type[Spec]) -> Spec:
    """A program's --spec as a `kind`, without what its identity is made of.

    Raises UserError naming the key that is wrong.
    """
    spec = {key: value for key, value in read_spec(text).items() if key != "identity"}
    try:
        return kind.model_validate_json(json.dumps(spec))
    except ValidationError as invalid:
        raise UserError(f"--spec: {first_fault(invalid)}") from None


def recorded_identity(text: str) -> Any:
    """What the identity of a job is made of, for its result to keep; None for a --spec by hand."""
    return read_spec(text).get("identity")


def first_fault(invalid: ValidationError) -> str:
    """The first thing that a validation found wrong: its key, why, and the text that was given."""
    fault = invalid.errors(include_url=False)[0]
    at = ".".join(map(str, fault["loc"]))
    given = f" (found {shown(fault['input'])})" if isinstance(fault["input"], str) else ""
    return f"{at + ': ' if at else ''}{fault['msg'].removeprefix('Value error, ')}{given}"


def read_json(path: Path) -> Any:
    """Read a JSON file. Raises UserError for a file that is missing or cut off."""
    try:
        return parse_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise UserError(f"{path}: unreadable JSON: {error}") from None


def read_lines(path: Path) -> list[Any]:
    """The values of a JSON Lines file. Raises UserError with the number of a broken line."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    values = []
    for number, line in enumerate(lines, start=1):
        try:
            values.append(parse_json(line))
        except ValueError:
            raise UserError(f"{path}: line {number} is not JSON") from None
    return values


def expanded(path: Path) -> Path:
    """The path with ~ and ~USER as a shell reads them. Raises UserError where there is no home."""
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise UserError(f"{path}: {error}") from None


def sha256(path: Path) -> str:
    """The hex digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def facts(paths: Iterable[Path]) -> dict[str, dict[str, Any]]:
    """Bytes and sha256 of files by their names, as a lock.json tells them."""
    return {
        path.name: {"bytes": path.stat().st_size, "sha256": sha256(path)} for path in sorted(paths)
    }


def lock_is_whole(lock: Path) -> bool:
    """Whether a lock.json can be read, and says something of a folder."""
    try:
        told = json.loads(lock.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(told, dict) and bool(told.keys() & {"files", "outcome", "packages"})


def check_lock(folder: Path) -> None:
    """Raise UserError if a file is not as the lock.json beside it says; without a lock, nothing.

    Small files are compared by sha256, large ones (weights) by size.
    """
    lock = folder / "lock.json"
    if not lock.exists():
        return
    if not lock_is_whole(lock):
        raise UserError(f"{lock}: altered since it was written; delete {folder} to get it again")
    for name, facts in read_json(lock).get("files", {}).items():
        path = folder / name
        size = path.stat().st_size if path.exists() else None
        small = size is not None and size <= SMALL_BYTES
        if size != facts["bytes"] or (small and sha256(path) != facts["sha256"]):
            raise UserError(f"{path}: altered since it was locked; delete {folder} to get it again")


def _temporary(path: Path) -> Path:
    """A hidden name beside `path`, this process's own; those of dead processes are removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{path.name}.{platform.node()}."
    for old in path.parent.glob(f"{prefix}*.tmp"):
        pid = old.name.removeprefix(prefix).removesuffix(".tmp")
        if pid == str(os.getpid()) or not (pid.isdigit() and psutil.pid_exists(int(pid))):
            if old.is_dir():
                shutil.rmtree(old)
            else:
                old.unlink(missing_ok=True)
    return path.with_name(f"{prefix}{os.getpid()}.tmp")


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A name to write to; the file takes `path`'s place, on the disk, when the block ends well."""
    temporary = _temporary(path)
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        check_interrupted()
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replaced_folder(folder: Path) -> Iterator[Path]:
    """An empty folder beside `folder` that takes its place when the block ends well."""
    temporary = _temporary(folder)
    temporary.mkdir()
    try:
        yield temporary
        check_interrupted()
        if folder.exists():
            shutil.rmtree(folder)
        temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a whole file or nothing."""
    with replaced(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write a whole UTF-8 file or nothing."""
    write_bytes(path, well_formed(text).encode())


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON, in the order of its keys, whole or not at all."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def link(target: Path, at: Path) -> None:
    """Make `at` a symbolic link to a file, its folders as needed.

    A target under the working directory is linked relatively, from where `at` will finally lie, so
    that a checkout with its own copy of the data can be moved; any other absolutely.
    """
    at.parent.mkdir(parents=True, exist_ok=True)
    target = Path(os.path.abspath(target))  # noqa: PTH100 - resolve() would follow links
    if target.is_relative_to(Path.cwd()):
        at.symlink_to(os.path.relpath(target, Path(os.path.abspath(at)).parent))  # noqa: PTH100
    else:
        at.symlink_to(target)
