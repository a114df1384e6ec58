"""Locks on GPUs for as long as a job runs, so that no two jobs are timed on the same one.

A lease is a lock on a file that all jobs on this host share, of all users. The kernel releases it
however the job ends. The caller decides which GPUs are suitable and whether one is free.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import filelock

from frontier.errors import UserError

LEASES = Path(tempfile.gettempdir()) / "llm-frontier-gpus"
POLL_S = 0.1
PATIENCE_S = 10.0
"""Time for the driver to release the memory of a killed job."""

InUse = Callable[[str], str | None]
"""Describes the use of a GPU, by id, by processes that are not ours; None if it is free."""


@contextmanager
def leased(user: str, fitting: Mapping[str, str], count: int, in_use: InUse) -> Iterator[list[str]]:
    """Reserves `count` of the `fitting` GPUs (names by id) for this block; yields their ids.

    Waits while other jobs of ours hold them. A GPU that other processes use, or whose memory is
    in use, is skipped, and reported. Raises UserError if too few are left for that reason.
    """
    with ExitStack() as held:
        # One job gathers at a time, so that jobs for one GPU cannot starve a job for two.
        with _lock("gathering", timeout=-1):
            gathered = _gather(user, fitting, count, in_use, held)
        yield gathered


def _gather(
    user: str, fitting: Mapping[str, str], count: int, in_use: InUse, held: ExitStack
) -> list[str]:
    """Acquires leases one by one until there are enough; `held` releases them."""
    mine: list[str] = []
    deadline = time.monotonic() + PATIENCE_S
    while True:
        leased_by_others, foreign = 0, []
        for one in (one for one in fitting if one not in mine):
            lock = _lock(one, timeout=0)
            try:
                lock.acquire()
            except filelock.Timeout:
                leased_by_others += 1
                continue
            if use := in_use(one):
                lock.release()
                foreign.append(f"{fitting[one]} ({one}) {use}")
                continue
            held.callback(lock.release)
            mine.append(one)
            if len(mine) == count:
                for words in foreign:
                    print(f"skipped: {words}", file=sys.stderr, flush=True)
                return mine
        if len(mine) + leased_by_others < count and time.monotonic() > deadline:
            raise UserError(f"{user} needs {count} free GPU(s): {'; '.join(foreign)}")
        time.sleep(POLL_S)


def _lock(name: str, timeout: float) -> filelock.FileLock:
    """The lock of that name, which all users of this host may acquire."""
    if not LEASES.exists():
        LEASES.mkdir(exist_ok=True)
        LEASES.chmod(0o777)
    return filelock.FileLock(LEASES / f"{name}.lock", timeout=timeout, mode=0o666)
