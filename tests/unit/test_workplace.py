"""Folders and limits with which no run could work, and messages when memory runs out."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Callable
from pathlib import Path

import pytest

from frontier import errors
from frontier.errors import OutOfMemoryError, UserError
from frontier.host import workplace
from frontier.results import layout


@pytest.mark.parametrize("name", ["results", "resources"])
def test_folders(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They may be absent or links to folders; a file and a link to nothing are in the way."""
    monkeypatch.chdir(tmp_path)
    workplace.check_folders(layout.FOLDERS)
    Path("elsewhere").mkdir()
    Path(name).symlink_to("elsewhere")
    workplace.check_folders(layout.FOLDERS)
    Path("elsewhere").rmdir()
    with pytest.raises(UserError, match=f"{name}: a link to elsewhere, which does not exist"):
        workplace.check_folders(layout.FOLDERS)
    Path(name).unlink()
    Path(name).touch()
    with pytest.raises(UserError, match=f"{name}: not a folder"):
        workplace.check_folders(layout.FOLDERS)


def test_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit that is too low, as the shell calls it."""
    limits = {resource.RLIMIT_AS: 400_000 * 1024, resource.RLIMIT_DATA: resource.RLIM_INFINITY}
    monkeypatch.setattr(resource, "getrlimit", lambda which: (limits[which], -1))
    with pytest.raises(UserError, match=r"ulimit -v is 400000: .* 0\.41 GB, .* 1\.5 GB to start"):
        workplace.check_memory()
    limits[resource.RLIMIT_AS] = 2 * 10**9
    workplace.check_memory()


def test_writable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder that is there already, of those that lead to a file."""
    closed = tmp_path / "closed"
    closed.mkdir()
    (tmp_path / "open").mkdir()
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != closed and real(path, mode))
    workplace.check_writable([tmp_path / "open/a/b.json"])
    with pytest.raises(UserError, match="closed: cannot be written to"):
        workplace.check_writable([tmp_path / "open/a", closed / "a/b/c.json"])


def chained(error: Exception, cause: Exception) -> Callable[[], None]:
    """A program that fails so."""

    def main() -> None:
        try:
            raise cause
        except type(cause):
            raise error from None

    return main


@pytest.mark.parametrize(
    ("error", "cause", "line"),
    [
        (MemoryError(), ValueError(), "out of memory: MemoryError"),
        (RuntimeError("x"), MemoryError("no room"), "out of memory: no room"),
        (
            RuntimeError("x"),
            ImportError("libx.so: failed to map segment from shared object"),
            "failed to map segment",
        ),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), ValueError(), "Cannot allocate memory"),
        (RuntimeError("can't start new thread"), ValueError(), "can't start new thread"),
        (OutOfMemoryError("2 GB"), ValueError(), "out of memory: 2 GB"),
        (FileExistsError(errno.EEXIST, "File exists", "results/x"), ValueError(), "cannot write: "),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "x"), ValueError(), "cannot write: "),
    ],
)
def test_faults_of_the_machine(error: Exception, cause: Exception, line: str) -> None:
    """The error is one line, even if a library turns it into another error."""
    with pytest.raises(SystemExit) as ended:
        errors.run(chained(error, cause))
    assert str(ended.value).startswith("error: ")
    assert line in str(ended.value)


def test_faults_of_ours_keep_their_traceback() -> None:
    """Any error that is not a known one."""
    with pytest.raises(ZeroDivisionError):
        errors.run(chained(ZeroDivisionError(), ValueError("x")))
