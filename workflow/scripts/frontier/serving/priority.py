"""The priority of a server's sessions against those of other processes, such as the client's."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

NORMAL, LOWEST = b"0", b"19"
"""Priorities of a session (sched(7), autogroup); its threads share the processor as ever."""


def give(pids: Collection[int], priority: bytes) -> bool:
    """Gives the sessions of these processes a priority; False if the system cannot."""
    if not groups_sessions():
        return False
    for pid in pids:
        try:
            Path(f"/proc/{pid}/autogroup").write_bytes(priority)
        except (FileNotFoundError, ProcessLookupError):  # it has ended
            continue
        except OSError:
            return False
    return True


def groups_sessions() -> bool:
    """True if this kernel shares the processor among sessions first (sched(7), autogroup).

    It does not for processes in a group of cgroups' processor controller.
    """
    try:
        grouped = Path("/proc/sys/kernel/sched_autogroup_enabled").read_text(encoding="ascii")
        paths = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    for _, controllers, path in (line.split(":", 2) for line in paths):
        weight = Path("/sys/fs/cgroup") / path.strip("/") / "cpu.weight"
        if (not controllers and weight.exists()) or (
            "cpu" in controllers.split(",") and path != "/"
        ):
            return False
    return grouped.strip() == "1"
