"""A folder that several checkouts, or several users, can share.

LLM_FRONTIER_CACHE names it; without it, everything is in the checkout's own resources/. Each
entry's path contains its identity; it is complete once it has a lock.json, and the first job to
need it builds it while others wait. Files get the folder's own permissions.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import filelock

from frontier.errors import UserError
from frontier.host import files, locks

VARIABLE = "LLM_FRONTIER_CACHE"
OWN = Path("resources")
READ_WRITE = 0o666


def root() -> Path:
    """The shared folder, or the checkout's own (relative, like every path of the workflow)."""
    named = os.environ.get(VARIABLE)
    return files.expanded(Path(named)) if named else OWN


def shared_path(own: Path) -> Path:
    """The real path of something under resources/; any other path as it is."""
    return root() / own.relative_to(OWN) if own.is_relative_to(OWN) else own


@contextmanager
def shared() -> Iterator[None]:
    """New files and folders in this block get the permissions of the shared folder.

    A user's umask would close them to those for whom the folder was opened. The umask belongs to
    the process, so threads and started programs follow. Raises UserError if a part of the shared
    folder is closed to this user.
    """
    folder = root()
    if folder == OWN:
        yield
        return
    before = os.umask(0o077)
    os.umask(before)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        os.umask(~folder.stat().st_mode & 0o077)
        yield
    except PermissionError as error:
        where = Path(error.filename or folder)
        if not where.resolve().is_relative_to(folder.resolve()):
            raise
        raise UserError(
            f"{where}: {error.strerror}: every file in {VARIABLE} must be open to all its users; "
            f"its owner can run chmod -R g+rwX {folder} (a+rwX for users of other groups)"
        ) from None
    except (FileExistsError, NotADirectoryError) as error:
        if folder.is_dir():
            raise
        raise UserError(f"{VARIABLE}: {error.filename}: not a folder") from None
    finally:
        os.umask(before)


def open_to_users(path: Path) -> None:
    """Gives one of this user's files the shared folder's permissions, which a tool had removed."""
    with suppress(PermissionError):  # another user's
        path.chmod(path.stat().st_mode | root().stat().st_mode & READ_WRITE)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds the lock for building `path`, which other users may acquire as well."""
    with shared():
        path.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(path.with_name(f"{path.name}.lock"), mode=READ_WRITE):
            yield


def build_once(own: Path, make: Callable[[Path], None]) -> None:
    """Provides the folder `own`: `make` fills a new one unless a complete one is shared.

    A folder is complete if its files match its lock.json. Files of a shared folder are linked and
    its lock is copied, so that this checkout keeps its own state.
    """
    there = shared_path(own)
    with shared():
        if not _complete(there):
            with locked(there):
                if not _complete(there):  # not built by another process meanwhile
                    with files.replaced_folder(there) as new:
                        make(new)
                        for path in new.iterdir() if there != own else ():
                            open_to_users(path)
    if there != own:
        with files.replaced_folder(own) as new:
            for path in sorted(there.iterdir()):
                if path.name == "lock.json":
                    files.write_bytes(new / path.name, path.read_bytes())
                else:
                    files.link(path, new / path.name)


def _complete(folder: Path) -> bool:
    if not (folder / "lock.json").exists():
        return False
    try:
        locks.check_lock(folder)
    except UserError:
        return False
    return True
