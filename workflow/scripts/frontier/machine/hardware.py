"""This host's hardware: for planning, for the record, and to reject a device that it lacks.

Imports no engine, so a missing device is reported before anything is loaded or downloaded.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from frontier.errors import Reason, UserError
from frontier.machine.amd import Amd
from frontier.machine.intel import Intel
from frontier.machine.maker import Gpu, Maker
from frontier.machine.nvidia import Nvidia

# A desktop draws on its GPU with less than this share of the memory; a model takes more.
TAKEN = 0.05


MAKERS: Mapping[str, Maker] = {one.ACCELERATOR: one for one in (Nvidia(), Amd(), Intel())}
"""The makers of GPUs, by the accelerator that theirs are."""


def gpus(accelerator: str | None = None) -> list[Gpu]:
    """The GPUs that this process may use, whole ones only: an accelerator's, or all makers'."""
    if accelerator is None:
        return [gpu for maker in MAKERS.values() for gpu in maker.gpus()]
    return MAKERS[accelerator].gpus() if accelerator in MAKERS else []


def maker(accelerator: str) -> Maker:
    """The maker of an accelerator's GPUs; for one that needs none, the first that has any here."""
    if accelerator in MAKERS:
        return MAKERS[accelerator]
    return next((one for one in MAKERS.values() if one.gpus()), MAKERS["cuda"])


def has_mps() -> bool:
    """True on a Mac with Apple silicon."""
    return platform.system() == "Darwin" and platform.machine() == "arm64"


def require(device: str, accelerator: str, gpu: str | None, count: int) -> None:
    """Raises UserError, with the requirement and what was found, if this host lacks the device."""
    if accelerator != "mps":
        fitting(f"device {device!r}", gpu, count, accelerator)
    elif not has_mps():
        raise UserError(
            f"device {device!r} needs a Mac with Apple silicon; this host is "
            f"{platform.system()} {platform.machine()}"
        )


def fitting(user: str, gpu: str | None, count: int, accelerator: str) -> list[Gpu]:
    """The GPUs whose name contains `gpu`, for a `user` who needs `count` (UserError: too few)."""
    if not count:
        return []
    made_by = maker(accelerator)
    found = made_by.gpus()
    named = [one for one in found if gpu is None or gpu.lower() in one.name.lower()]
    if len(named) < count:
        wanted = f"{count} {made_by.NAME} GPU(s)" + (f" named {gpu!r}" if gpu else "")
        names = ", ".join(one.name for one in found) or "none"
        raise UserError(f"{user} needs {wanted}; this host has {names}{made_by.why_none()}")
    return named


def foreign_use(made_by: Maker, uuid: str) -> Reason | None:
    """The use of a GPU that none of our jobs holds; None if it is free.

    In a container the driver lists no processes, but it always reports the memory in use.
    """
    (one,) = (one for one in made_by.gpus() if one.uuid == uuid)
    if one.processes:
        return f"is in use by process {', '.join(map(str, one.processes))}"
    if one.used_bytes is not None and one.used_bytes > TAKEN * (one.memory_bytes or 0):
        return f"has {one.used_bytes / 1e9:.1f} GB of its memory in use"
    return None


def memory_bytes(accelerator: str, count: int) -> int | None:
    """Memory for weights and cache on an accelerator of this host.

    None if the host lacks it, or its driver does not report the memory.
    """
    if accelerator in MAKERS:
        each = [one.memory_bytes for one in gpus(accelerator)[:count]]
        known = [one for one in each if one is not None]
        return sum(known) if len(known) == count else None
    if accelerator == "mps" and not has_mps():
        return None
    return int(psutil.virtual_memory().total)


def cores() -> int:
    """CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_name() -> str:
    """The processor's name; platform.processor() is empty or vague on Linux and Mac."""
    if platform.system() == "Darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(), re.MULTILINE)
        if found:
            return found[1]
    return platform.processor() or platform.machine()


def describe() -> dict[str, Any]:
    """A description of the host, without names that identify its owner."""
    found = gpus()
    return {
        "cpu": cpu_name(),
        "cores": cores(),
        "memory_bytes": int(psutil.virtual_memory().total),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "gpus": [one.name for one in found],
        "driver": found[0].driver if found else None,
    }
