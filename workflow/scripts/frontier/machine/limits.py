"""A job's limits of memory and time. A job that would exceed them ends itself and reports why.

A scheduler kills silently, leaving open whether more memory or more time would help.
"""

from __future__ import annotations

import platform
import resource
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import psutil

from frontier.errors import OutOfMemoryError, UserError

OTHERS_BYTES = 700_000_000  # used in a job besides the measurement: Snakemake, twice
IMPORTS_BYTES = 600_000_000  # with less, imports abort the process without a message
MARGIN_S = 60.0  # to start, and to record what was measured
AGAIN_S = 5.0  # a library may swallow the first error
WATCH_S = 0.25


class OutOfTimeError(BaseException):
    """The job's time is over.

    Raised wherever the program is at that moment, where `except Exception` would take it for the
    failure of a library.
    """


class JobMemoryError(OutOfMemoryError):
    """More memory was needed than the job was given; the machine has more."""


@dataclass(frozen=True)
class Share:
    """The memory that programs started by a job may use, all together."""

    bytes: int
    of_job: bool
    """True if the job's limit is smaller than the device's memory."""

    def exceeded(self) -> OutOfMemoryError:
        """The error where they need more."""
        words = f"needs more than the {self.bytes / 1e9:.1f} GB that its"
        return (
            JobMemoryError(f"{words} job has")
            if self.of_job
            else OutOfMemoryError(f"{words} device has")
        )


_share: ContextVar[Share | None] = ContextVar("share", default=None)


def free_bytes() -> int:
    """Host memory that this process can still allocate, by the machine's and by its own limit."""
    free: int = psutil.virtual_memory().available
    most, _ = resource.getrlimit(resource.RLIMIT_DATA)
    if most == resource.RLIM_INFINITY or platform.system() != "Linux":
        return free
    return max(0, min(free, most - psutil.Process().memory_info().data))


def share_of_programs() -> Share | None:
    """The share that `limited_memory` has set; None if there is no limit."""
    return _share.get()


@dataclass(frozen=True)
class Limits:
    """The limits of this attempt at a job; None where the scheduler sets none."""

    memory_bytes: int | None = None
    seconds: float | None = None
    attempt: int = 1
    attempts: int = 1

    @property
    def last(self) -> bool:
        """True if no larger attempt follows, so that exceeding a limit is the job's outcome."""
        return self.attempt >= self.attempts

    def outcome(self, what: str, error: OutOfMemoryError | OutOfTimeError) -> dict[str, str]:
        """The outcome and reason that `error` gives to the cells that need `what`.

        Raises UserError if a larger attempt follows and may succeed.
        """
        if isinstance(error, JobMemoryError | OutOfTimeError) and not self.last:
            attempt = f"attempt {self.attempt} of {self.attempts}"
            raise UserError(f"{what}: {error}, in {attempt}; the next attempt gets more") from error
        name = "out-of-time" if isinstance(error, OutOfTimeError) else "out-of-memory"
        return {"outcome": name, "reason": str(error)}


@contextmanager
def limited_memory(
    accelerator: str, device_bytes: int | None, job_bytes: int | None, checkpoint: Path | None
) -> Iterator[None]:
    """Raises JobMemoryError in the block for an allocation beyond the job's memory, in bytes.

    On a CPU an allocation beyond it, or beyond the device's memory, fails instead of being killed.
    An accelerator's driver maps far more than it uses, so there the use is watched. Linux only.
    Programs that are started in the block have a share (`share_of_programs`).
    """
    before = _share.set(_share_of(device_bytes if accelerator == "cpu" else None, job_bytes))
    try:
        with _limited_here(accelerator, device_bytes, job_bytes, checkpoint):
            yield
    finally:
        _share.reset(before)


def _share_of(device_bytes: int | None, job_bytes: int | None) -> Share | None:
    of_job = None if job_bytes is None else max(IMPORTS_BYTES, job_bytes - OTHERS_BYTES)
    given = [one for one in (of_job, device_bytes) if one is not None]
    return Share(min(given), min(given) == of_job) if given else None


@contextmanager
def _limited_here(
    accelerator: str, device_bytes: int | None, job_bytes: int | None, checkpoint: Path | None
) -> Iterator[None]:
    """Limits this process's own memory."""
    if accelerator != "cpu" or checkpoint is None:
        with watched_memory(job_bytes):
            yield
    elif device_bytes and platform.system() == "Linux":
        by_job = _bounded(device_bytes, job_bytes, checkpoint)
        try:
            yield
        except OutOfMemoryError as error:
            raise (JobMemoryError(str(error)) if by_job else error) from error
    else:
        yield


def _bounded(device_bytes: int, job_bytes: int | None, checkpoint: Path) -> bool:
    """Limits this process's memory for good; True if the job's limit is the smaller one.

    The weights' files are mapped into memory, which uses none but counts towards the job's.
    """
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
def watched_memory(job_bytes: int | None) -> Iterator[None]:
    """Raises JobMemoryError in the block when this process exceeds its share of the job's memory.

    Mapped files do not count. Linux only.
    """
    if job_bytes is None or platform.system() != "Linux":
        yield
        return
    most = max(IMPORTS_BYTES, job_bytes - OTHERS_BYTES)
    process, main, ended = psutil.Process(), threading.get_ident(), threading.Event()

    def over(_signal: int, _frame: FrameType | None) -> None:
        raise JobMemoryError(f"needs more than the {job_bytes / 1e9:.1f} GB that its job has")

    def watch() -> None:
        wait = WATCH_S
        while not ended.wait(wait):
            memory = process.memory_info()
            if memory.rss - memory.shared > most:
                signal.pthread_kill(main, signal.SIGUSR1)
                wait = AGAIN_S

    before = signal.signal(signal.SIGUSR1, over)
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
        signal.signal(signal.SIGUSR1, before)


@contextmanager
def limited_time(seconds: float | None) -> Iterator[None]:
    """Raises OutOfTimeError in the block when a job of `seconds` is nearly over."""
    if seconds is None:
        yield
        return

    def over(_signal: int, _frame: FrameType | None) -> None:
        raise OutOfTimeError(f"not finished after {seconds / 60:.0f} minutes")

    before = signal.signal(signal.SIGALRM, over)
    first = max(1.0, seconds - min(MARGIN_S, seconds / 4))
    signal.setitimer(signal.ITIMER_REAL, first, AGAIN_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
