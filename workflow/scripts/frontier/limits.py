"""What a job may use. One that would go over it ends itself, and can so say why.

A scheduler kills without a word; then nobody knows whether more memory would help, or more time.
"""

from __future__ import annotations

import platform
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

OTHERS_BYTES = 700_000_000  # what runs beside the measurement in a job: Snakemake, twice
IMPORTS_BYTES = 600_000_000  # with less, imports abort the process and it can tell nothing
MARGIN_S = 60.0  # to start in, and to write down what was measured


class OutOfTimeError(Exception):
    """The job's time is over."""


@dataclass(frozen=True)
class Limits:
    """What a scheduler gave to this attempt at a job; None where nobody counts."""

    memory_bytes: int | None = None
    seconds: float | None = None
    attempt: int = 1
    attempts: int = 1

    @property
    def last(self) -> bool:
        """Whether no larger attempt follows, so that ending here is the job's outcome."""
        return self.attempt >= self.attempts


def limit_memory(device_bytes: int, job_bytes: int | None, checkpoint: Path) -> bool:
    """Let an allocation beyond the device's or the job's memory fail here, not by being killed.

    Returns whether the job's is the smaller one. Only Linux counts a process's memory against this
    limit. The weights' files are mapped into memory, which takes none but counts as the job's.
    """
    if platform.system() != "Linux":
        return False
    mapped = sum(path.stat().st_size for path in checkpoint.iterdir())
    device_most = device_bytes + mapped
    job_most = device_most
    if job_bytes is not None:
        job_most = max(IMPORTS_BYTES, job_bytes - mapped - OTHERS_BYTES)
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = min(device_most, job_most)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
    return job_most < device_most


@contextmanager
def limited_time(seconds: float | None) -> Iterator[None]:
    """Raise OutOfTimeError in the block when a job of that many seconds is nearly over."""
    if seconds is None:
        yield
        return

    def over(_signal: int, _frame: FrameType | None) -> None:
        raise OutOfTimeError(f"not finished after {seconds / 60:.0f} minutes")

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, max(1.0, seconds - min(MARGIN_S, seconds / 4)))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
