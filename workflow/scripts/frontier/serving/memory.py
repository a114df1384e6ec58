"""The memory of several processes that share some of it."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

import psutil

_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)
KIB = 1024


def peak_bytes(pids: Collection[int]) -> int:
    """The peak memory of processes so far, what they share counted once; 0 if all have ended.

    Each one's peak of resident memory, less what it now shares with others (its resident minus its
    proportional set). Peaks need not coincide, so this is an upper bound. Without /proc: the
    resident memory now. Takes milliseconds per gigabyte, in which the processes may wait.
    """
    return sum(_peak(pid) for pid in pids)


def _peak(pid: int) -> int:
    try:
        process = psutil.Process(pid)
        resident = process.memory_info().rss
        found = _PEAK.search(Path(f"/proc/{pid}/status").read_text(encoding="utf-8"))
        full = process.memory_full_info()
    except OSError:
        return resident
    except psutil.Error:
        return 0
    shared = resident - full.pss
    return max(full.pss, (int(found[1]) * KIB if found else 0) - shared)
