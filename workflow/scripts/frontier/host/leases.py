"""Locks on GPUs for as long as a job runs, so that no two jobs are timed on the same one.

A lease is a lock on a file that every job of this host knows, whoever started it. The kernel takes
it back however the job ends. Which GPUs would do, and whether one is free, the caller decides.
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
"""How long the memory of a job that was killed may need to be given back."""

InUse = Callable[[str], str | None]
"""Whether somebody else uses a GPU, by its id, in words; None where it is free."""


@contextmanager
def leased(user: str, fitting: Mapping[str, str], count: int, in_use: InUse) -> Iterator[list[str]]:
    """Hold `count` of the `fitting` GPUs, ids with their names, in this block; gives their ids.

    Waits while other jobs of ours hold them. One on which somebody else computes, or whose memory
    is taken, is passed over and named. Raises UserError where too few are left for that reason.
    """
    with ExitStack() as held:
        # One job at a time gathers: who needs two is not overtaken by those who need one.
        with _lock("gathering", timeout=-1):
            gathered = _gather(user, fitting, count, in_use, held)
        yield gathered


def _gather(
    user: str, fitting: Mapping[str, str], count: int, in_use: InUse, held: ExitStack
) -> list[str]:
    """Take one lease after the other until there are enough; `held` gives them back."""
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
                    print(f"passed over: {words}", file=sys.stderr, flush=True)
                return mine
        if len(mine) + leased_by_others < count and time.monotonic() > deadline:
            raise UserError(f"{user} needs {count} free GPU(s): {'; '.join(foreign)}")
        time.sleep(POLL_S)


def _lock(name: str, timeout: float) -> filelock.FileLock:
    """The lock of that name, which other users of this host may take as well."""
    if not LEASES.exists():
        LEASES.mkdir(exist_ok=True)
        LEASES.chmod(0o777)
    return filelock.FileLock(LEASES / f"{name}.lock", timeout=timeout, mode=0o666)
