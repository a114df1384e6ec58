"""One process, from its start to its end: seconds, peak memory, and what others used meanwhile."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes in a unit of ru_maxrss."""
SHOWN = 40
"""Lines of a failed program's output that are shown."""


class FailedError(Exception):
    """A tool ended with an error; the message has the end of its output."""


@dataclass(frozen=True)
class Ran:
    """`peak_bytes` is that of the largest process of the tree; `foreign` in cores, on average."""

    wall_s: float
    peak_bytes: int
    foreign_cores: float


def run(
    command: Sequence[object],
    log: Path,
    folder: Path | None = None,
    variables: Mapping[str, str] | None = None,
    seconds: float = 1800,
) -> Ran:
    """Runs a command to its end. Raises FailedError if it fails, or takes longer than `seconds`.

    The peak is the kernel's own figure for the tree of processes, so that nothing is sampled
    meanwhile.
    """
    with log.open("wb") as output:
        busy, started = _busy_s(), time.perf_counter()
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=folder,
            env={**os.environ, **(variables or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status, used = _wait(process, started + seconds)
        except BaseException:
            os.killpg(process.pid, 9)
            process.wait()
            raise
        wall = time.perf_counter() - started
    if status:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        raise FailedError(f"ended with {status}:\n" + "\n".join(lines[-SHOWN:]))
    foreign = (_busy_s() - busy - used.ru_utime - used.ru_stime) / wall
    return Ran(wall, used.ru_maxrss * UNIT, max(foreign, 0.0))


def _wait(process: subprocess.Popen[bytes], until: float) -> tuple[int, resource.struct_rusage]:
    """The exit status and the usage of a process and those that it waited for."""
    while True:
        pid, status, used = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return process.returncode, used
        if time.perf_counter() > until:
            raise FailedError("it took too long")
        time.sleep(0.01)


def _busy_s() -> float:
    """The seconds for which the host's cores have been busy."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0))
