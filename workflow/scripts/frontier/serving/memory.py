"""The memory of several processes that share some of it."""

from __future__ import annotations

import contextlib
import platform
import re
import resource
from collections.abc import Collection
from pathlib import Path

import psutil

_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)
KIB = 1024


def own_peak_bytes() -> int:
    """The peak memory of this process and of its children, such as those that compile.

    Of children that have ended nothing is known any more. Linux counts in KiB, macOS in bytes.
    """
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    own = peak if platform.system() == "Darwin" else peak * KIB
    children = [one.pid for one in psutil.Process().children(recursive=True)]
    return own + (peak_bytes(children) or 0)


def peak_bytes(pids: Collection[int]) -> int | None:
    """The peak memory of processes so far, what they share counted once.

    None if they have ended, or are another user's.

    Each one's peak of resident memory, less what it now shares with others (its resident minus its
    proportional set). Peaks need not coincide, so this is an upper bound. Without /proc: the
    resident memory now. Takes milliseconds per gigabyte, in which the processes may wait.
    """
    found = [_peak(pid) for pid in pids]
    return sum(filter(None, found)) or None


def _peak(pid: int) -> int | None:
    try:
        process = psutil.Process(pid)
        resident = process.memory_info().rss
        found = _PEAK.search(Path(f"/proc/{pid}/status").read_text(encoding="utf-8"))
        full = process.memory_full_info()
    except OSError:
        return resident
    except psutil.Error:
        return None
    shared = resident - full.pss
    return max(full.pss, (int(found[1]) * KIB if found else 0) - shared)


def forget_peaks(pids: Collection[int]) -> None:
    """Makes the peaks of processes start at their memory now, where the system can (Linux)."""
    for pid in pids:
        with contextlib.suppress(OSError):
            Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")
