"""Atomic writes of files and folders, and paths as users write them."""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from frontier.errors import UserError, check_interrupted
from frontier.unicode import well_formed


def expanded(path: Path) -> Path:
    """The path with ~ and ~USER expanded. Raises UserError if there is no home folder."""
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise UserError(f"{path}: {error}") from None


def _temporary(path: Path) -> Path:
    """A hidden name next to `path`, unique to this process; removes those of dead processes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{path.name}.{platform.node()}."
    for old in path.parent.glob(f"{prefix}*.tmp"):
        import psutil  # rarely needed, and every program imports this module

        pid = old.name.removeprefix(prefix).removesuffix(".tmp")
        if pid == str(os.getpid()) or not (pid.isdigit() and psutil.pid_exists(int(pid))):
            if old.is_dir():
                shutil.rmtree(old)
            else:
                old.unlink(missing_ok=True)
    return path.with_name(f"{prefix}{os.getpid()}.tmp")


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Yields a name to write to; the file replaces `path`, synced, if the block succeeds."""
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
    """Yields an empty folder that replaces `folder` if the block succeeds."""
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
    """Writes a file atomically."""
    with replaced(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Writes a UTF-8 file atomically."""
    write_bytes(path, well_formed(text).encode())


def write_json(path: Path, value: Any) -> None:
    """Writes a value as indented JSON, in the order of its keys, atomically."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def link(target: Path, at: Path) -> None:
    """Creates `at` as a symbolic link to a file, with its folders.

    A target under the working directory is linked relatively, so that a checkout with its own copy
    of the data can be moved; any other absolutely.
    """
    at.parent.mkdir(parents=True, exist_ok=True)
    target = Path(os.path.abspath(target))  # noqa: PTH100 - resolve() would follow links
    if target.is_relative_to(Path.cwd()):
        at.symlink_to(os.path.relpath(target, Path(os.path.abspath(at)).parent))  # noqa: PTH100
    else:
        at.symlink_to(target)
