"""One folder for what several checkouts, or several users, can share.

LLM_FRONTIER_CACHE names it; without that, everything lies in the checkout's own resources/. What
is in it lies at a path with its identity in it, is complete when its lock is there, and is made by
whoever is first while others wait. It is as open to other users as the folder itself.
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
    """The shared folder, or the checkout's own (relative, as every path of the workflow)."""
    named = os.environ.get(VARIABLE)
    return files.expanded(Path(named)) if named else OWN


def shared_path(own: Path) -> Path:
    """Where what belongs at resources/… really lies; anything else lies where it says."""
    return root() / own.relative_to(OWN) if own.is_relative_to(OWN) else own


@contextmanager
def shared() -> Iterator[None]:
    """In this block new files and folders are as open to others as the shared folder is.

    A user's umask would close them to those for whom the folder was opened. It is the process's
    own, so its threads and the programs that it starts follow. Raises UserError where a part of
    the shared folder is closed to this user.
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
            f"{where}: {error.strerror}: all of {VARIABLE} must be open to all "
            f"its users; whom it belongs to can open it by chmod -R g+rwX {folder} (a+rwX for "
            "users of other groups)"
        ) from None
    except (FileExistsError, NotADirectoryError) as error:
        if folder.is_dir():
            raise
        raise UserError(f"{VARIABLE}: {error.filename}: not a folder") from None
    finally:
        os.umask(before)


def open_to_users(path: Path) -> None:
    """Make a file of this user's as open as the shared folder, where a tool closed it to others."""
    with suppress(PermissionError):  # somebody else's
        path.chmod(path.stat().st_mode | root().stat().st_mode & READ_WRITE)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of whoever makes what lies at `path`; other users may take it as well."""
    with shared():
        path.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(path.with_name(f"{path.name}.lock"), mode=READ_WRITE):
            yield


def build_once(own: Path, make: Callable[[Path], None]) -> None:
    """Have the folder `own`: `make` fills a new one, unless the shared folder has it complete.

    Complete is a folder whose files are as its lock.json says. From a shared folder they are
    linked, and the lock copied, so that this checkout's own state is its own.
    """
    there = shared_path(own)
    with shared():
        if not _complete(there):
            with locked(there):
                if not _complete(there):  # nobody else has made it meanwhile
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
