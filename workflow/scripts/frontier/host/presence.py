"""Whether a run is alive: the kernel's word, which no kill can make stale."""

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
# As long as a process may need to notice that the Snakemake that started it was killed.
LOCK_WAIT_S = 60


def acquire_run_lock(path: Path) -> tuple[bool, IO[bytes]]:
    """Whether no other live process has called this for `path`, and the open file that says so.

    Every caller keeps a shared lock for as long as the file stays open, that is for its life, and
    the kernel takes it back however that ends. Whoever gets the exclusive lock first was alone.
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
    """Be the only process that is in such a block for `path`, which is a lock's file.

    Raises `fault` where another process is in one, and stays there.
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
    """The Snakemake that started this process; a process started by hand has none."""

    def __init__(self) -> None:
        """Its pid is in the environment: were it looked for now, it might be gone already."""
        self._pid = os.environ.get(RUNNER)

    def has_exited(self) -> bool:
        """Whether there was one and it has ended, so that nobody waits for this process."""
        if self._pid is None:
            return False
        try:
            process = psutil.Process(int(self._pid))
            ended = process.status() == psutil.STATUS_ZOMBIE
            return ended or "snakemake" not in " ".join(process.cmdline())
        except psutil.NoSuchProcess:
            return True


def exit_with_runner() -> None:
    """End this process soon after the Snakemake that started it, which no longer waits for it.

    For long work that writes nothing until its end; measuring looks between its requests instead.
    """
    runner = Runner()

    def watch() -> None:
        while not runner.has_exited():
            time.sleep(1)
        print("Snakemake has ended: so does this", file=sys.stderr, flush=True)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
