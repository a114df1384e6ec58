"""The lock of torch on a C++ extension that a job compiles, which a kill would leave for ever.

torch's own lock is a file that exists while a process compiles. Jobs hold a lock of the kernel's
besides, which ends with them; the file of a killed one is deleted.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import filelock
import psutil

from frontier.errors import UserError
from frontier.host.caches import READ_WRITE

WATCH_S = 0.2
SILENT_S = 5.0
"""Others' compiling is reported after this time."""


def end_locks_with_their_jobs() -> None:
    """Has torch, in this process, take over the lock of a process that has ended.

    For libraries that compile with `torch.utils.cpp_extension` on first use (optimum-quanto below
    8 bits).
    """
    from torch.utils import file_baton

    torch_lock: Any = file_baton.FileBaton
    torch_lock.try_acquire, torch_lock.release = _acquire, _release


def _acquire(baton: Any) -> bool:
    """Waits for other processes, then acquires both locks.

    Always true, so that torch builds next: that finds what another process has built, and finishes
    what a killed one has begun. Raises UserError if the lock of a process that has ended cannot be
    deleted.
    """
    path = Path(baton.lock_file_path)
    lock = filelock.FileLock(path.parent.with_name(f"{path.parent.name}.lock"), mode=READ_WRITE)
    baton.kernel_lock = lock
    try:
        lock.acquire(timeout=SILENT_S)
    except filelock.Timeout:
        _report(path.parent)
        lock.acquire()
    started = time.monotonic()
    reported = False
    while True:
        try:
            baton.fd = os.open(path, os.O_CREAT | os.O_EXCL)
        except FileExistsError:
            _delete_if_left(path)
        else:
            return True
        if not reported and time.monotonic() - started > SILENT_S:
            reported = True
            _report(path.parent)
        time.sleep(WATCH_S)


def _release(baton: Any) -> None:
    """Releases both locks."""
    os.close(baton.fd)
    Path(baton.lock_file_path).unlink(missing_ok=True)
    baton.kernel_lock.release()


def _delete_if_left(path: Path) -> None:
    """Deletes torch's lock if no process on this host uses it, nor compiles in its folder.

    The compilers that a killed job has started finish their work.
    """
    if any(_uses(process, path) for process in psutil.process_iter()):
        return
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(
            f"{path}: a job that was killed has left this lock, which cannot be deleted: "
            f"{error.strerror}"
        ) from None


def _uses(process: psutil.Process, path: Path) -> bool:
    """Whether a process has the file open, or works in its folder; no for other users' ones."""
    try:
        opened = (one.path for one in process.open_files())
        return process.cwd() == str(path.parent) or str(path) in opened
    except psutil.Error:
        return False


def _report(folder: Path) -> None:
    """Says which folder this job waits for."""
    print(f"waiting for another job, which compiles {folder}", file=sys.stderr, flush=True)
