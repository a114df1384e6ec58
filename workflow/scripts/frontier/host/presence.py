"""Liveness of runs, as the kernel reports it: no kill can leave a stale state."""

from __future__ import annotations

import fcntl
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import filelock
import psutil

from frontier.errors import UserError

RUNNER = "LLM_FRONTIER_RUNNER"
# The time that a process may take to notice that its Snakemake was killed.
LOCK_WAIT_S = 60
LOOK_S = 1.0
"""Between two looks whether Snakemake has ended."""


def acquire_run_lock(path: Path) -> tuple[bool, IO[bytes]]:
    """True if no other live process has called this for `path`, with the file holding the lock.

    Each caller holds a shared lock while the file stays open, so for its lifetime; the kernel
    releases it however the process ends. A caller that gets the exclusive lock first is alone.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        first = True
    except BlockingIOError:
        first = False
    fcntl.flock(file, fcntl.LOCK_SH)
    return first, file


@contextmanager
def exclusive(path: Path, fault: UserError) -> Iterator[None]:
    """Runs the block in one process at a time for `path`, the lock's file.

    Raises `fault` if another process stays in its block.
    """
    lock = filelock.FileLock(path, timeout=LOCK_WAIT_S)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise fault from None
    try:
        yield
    finally:
        lock.release()


class Runner:
    """The Snakemake that started this process; none if started by hand."""

    def __init__(self) -> None:
        """Reads its pid from the environment: looked up now, it might have exited already."""
        self._pid = os.environ.get(RUNNER)

    def has_exited(self) -> bool:
        """True if there was one and it has ended, so nothing waits for this process."""
        if self._pid is None:
            return False
        try:
            process = psutil.Process(int(self._pid))
            ended = process.status() == psutil.STATUS_ZOMBIE
            return ended or "snakemake" not in " ".join(process.cmdline())
        except psutil.NoSuchProcess:
            return True


def wait(seconds: float, label: str) -> None:
    """Waits. Raises UserError, which begins with the label, once Snakemake has ended."""
    runner, until = Runner(), time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if runner.has_exited():
            raise UserError(f"{label}: Snakemake has ended; what was measured is saved")
        time.sleep(min(left, LOOK_S))


def exit_with_runner() -> None:
    """Ends this process soon after the Snakemake that started it.

    For long work that writes nothing until its end; measuring checks between requests instead.
    """
    runner = Runner()

    def watch() -> None:
        while not runner.has_exited():
            time.sleep(LOOK_S)
        print("Snakemake has ended; stopping", file=sys.stderr, flush=True)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
