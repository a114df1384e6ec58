"""This host's hardware: for planning, for the record, and to reject a device that it lacks.

Imports no engine, so a missing device is reported before anything is loaded or downloaded.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pynvml

from frontier.errors import Reason, UserError
from frontier.machine.visible_gpus import VARIABLE, names_slices, visible

# A desktop draws on its GPU with less than this share of the memory; a model takes more.
TAKEN = 0.05


@dataclass(frozen=True)
class Gpu:
    """An NVIDIA GPU as its driver reports it; `processes` are the pids computing on it."""

    uuid: str
    name: str
    memory_bytes: int
    used_bytes: int
    driver: str
    processes: tuple[int, ...]


@contextmanager
def _nvml() -> Iterator[bool]:
    """Opens the driver's library for the block; yields False if there is no driver."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        yield False
        return
    try:
        yield True
    finally:
        pynvml.nvmlShutdown()


def _host_gpus() -> list[Any]:
    """The driver's handles of this host's GPUs, in the driver's order."""
    count = pynvml.nvmlDeviceGetCount()
    return [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(count)]


def _sliced(handle: Any) -> bool:
    """True if a GPU is partitioned (MIG), so that nothing can run on it as a whole."""
    try:
        return bool(pynvml.nvmlDeviceGetMigMode(handle)[0])
    except pynvml.NVMLError:  # most GPUs do not support it
        return False


def visible_handles() -> list[Any]:
    """The driver's handles of the GPUs that this process may use, whole ones only.

    The driver's library must be open.
    """
    handles = _host_gpus()
    uuids = [pynvml.nvmlDeviceGetUUID(handle) for handle in handles]
    places = visible(os.environ.get(VARIABLE), uuids)
    return [handles[place] for place in places if not _sliced(handles[place])]


def gpus() -> list[Gpu]:
    """The NVIDIA GPUs that this process may use, whole ones only."""
    with _nvml() as present:
        if not present:
            return []
        driver = pynvml.nvmlSystemGetDriverVersion()
        return [
            Gpu(
                uuid=pynvml.nvmlDeviceGetUUID(handle),
                name=pynvml.nvmlDeviceGetName(handle),
                memory_bytes=int(memory.total),
                used_bytes=int(memory.used),
                driver=driver,
                processes=tuple(
                    process.pid for process in pynvml.nvmlDeviceGetComputeRunningProcesses(handle)
                ),
            )
            for handle in visible_handles()
            # The second version excludes the memory reserved by the driver.
            for memory in [pynvml.nvmlDeviceGetMemoryInfo(handle, pynvml.nvmlMemory_v2)]
        ]


def _why_none() -> Reason:
    """The reason why this host's GPUs are not usable; empty if there is none to give."""
    if names_slices(value := os.environ.get(VARIABLE)):
        return f"; {VARIABLE} names slices (MIG), which are not supported yet: {value}"
    with _nvml() as present:
        handles = _host_gpus() if present else []
        sliced = sum(map(_sliced, handles))
    if sliced:
        return f"; {sliced} GPU(s) are cut into slices (MIG), which are not supported yet"
    return f"; {VARIABLE} is {value!r}" if handles and value is not None else ""


def has_mps() -> bool:
    """True on a Mac with Apple silicon."""
    return platform.system() == "Darwin" and platform.machine() == "arm64"


def require(device: str, accelerator: str, gpu: str | None, count: int) -> None:
    """Raises UserError, with the requirement and what was found, if this host lacks the device."""
    if accelerator != "mps":
        fitting(f"device {device!r}", gpu, count)
    elif not has_mps():
        raise UserError(
            f"device {device!r} needs a Mac with Apple silicon; this host is "
            f"{platform.system()} {platform.machine()}"
        )


def fitting(user: str, gpu: str | None, count: int) -> list[Gpu]:
    """The GPUs whose name contains `gpu`, for a `user` who needs `count` (UserError: too few)."""
    if not count:
        return []
    found = gpus()
    named = [one for one in found if gpu is None or gpu.lower() in one.name.lower()]
    if len(named) < count:
        wanted = f"{count} NVIDIA GPU(s)" + (f" named {gpu!r}" if gpu else "")
        names = ", ".join(one.name for one in found) or "none"
        raise UserError(f"{user} needs {wanted}; this host has {names}{_why_none()}")
    return named


def foreign_use(uuid: str) -> Reason | None:
    """The use of a GPU that none of our jobs holds; None if it is free.

    In a container the driver lists no processes, but it always reports the memory in use.
    """
    (one,) = (one for one in gpus() if one.uuid == uuid)
    if one.processes:
        return f"is in use by process {', '.join(map(str, one.processes))}"
    if one.used_bytes > TAKEN * one.memory_bytes:
        return f"has {one.used_bytes / 1e9:.1f} GB of its memory in use"
    return None


def memory_bytes(accelerator: str, count: int) -> int | None:
    """Memory for weights and cache on an accelerator of this host; None if it lacks it."""
    if accelerator == "cuda":
        found = gpus()
        return sum(one.memory_bytes for one in found[:count]) if len(found) >= count else None
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
