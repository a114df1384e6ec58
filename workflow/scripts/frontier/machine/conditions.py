"""The conditions on this machine: its power settings, its clocks, what slows it, its swap.

Linux says them in /sys and by NVIDIA's driver, macOS by `pmset` (not tried here). What cannot be
read is named with the reason, and never taken for undisturbed.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pynvml

from frontier.machine.visible_gpus import VARIABLE, visible

SYS = Path("/sys")
CPUS = "devices/system/cpu"
SETTINGS = {
    "governor": f"{CPUS}/cpu[0-9]*/cpufreq/scaling_governor",
    "energy preference": f"{CPUS}/cpu[0-9]*/cpufreq/energy_performance_preference",
    "highest clock": f"{CPUS}/cpu[0-9]*/cpufreq/scaling_max_freq",
    "turbo": f"{CPUS}/cpufreq/boost",
    "no turbo": f"{CPUS}/intel_pstate/no_turbo",
    "platform profile": "firmware/acpi/platform_profile",
}
"""The files of settings by name: those of all cores have one value each."""
SLOWED = (
    "core_throttle_total_time_ms", "package_throttle_total_time_ms",
    "core_throttle_count", "package_throttle_count",
)  # fmt: skip
"""The counters of a core, the best first of each kind."""
REASONS = {
    "nvmlClocksThrottleReasonHwSlowdown": "GPU: hardware slowdown",
    "nvmlClocksThrottleReasonHwThermalSlowdown": "GPU: heat, by hardware",
    "nvmlClocksThrottleReasonSwThermalSlowdown": "GPU: heat, by the driver",
    "nvmlClocksThrottleReasonHwPowerBrakeSlowdown": "GPU: power brake",
}
"""The driver's reasons that count. That a GPU stays at its own power limit (SwPowerCap) is how one
works under load, and no disturbance: what it costs shows in the drift and in the clock."""


@dataclass(frozen=True)
class Reading:
    """The conditions at one moment."""

    power: dict[str, str] = field(default_factory=dict)
    """Settings that decide how fast the hardware may run, by name."""
    clock_mhz: float | None = None
    """The clock of the slowest GPU, or of the fastest core: the one that computes."""
    slowed: dict[str, int] | None = None
    """Counters that grow while the hardware is slowed; those in `_ms` count milliseconds."""
    slowed_by: tuple[str, ...] = ()
    """The reasons for which it is slowed at this moment."""
    swapped_bytes: int | None = None
    """Bytes moved to and from the swap since the host started; None if it does not say."""
    unknown: dict[str, str] = field(default_factory=dict)


def read(accelerator: str, root: Path = SYS) -> Reading:
    """The current conditions of the hardware that computes. `root`: the place of Linux's /sys."""
    if platform.system() == "Darwin":
        return _mac()
    power = {name: one for name in SETTINGS if (one := setting(name, root))}
    with suppress(AttributeError, OSError):
        if (battery := psutil.sensors_battery()) is not None:
            power["supply"] = "mains" if battery.power_plugged else "battery"
    unknown: dict[str, str] = {}
    slowed = dict(_slowed(root))
    if not slowed:
        unknown["throttling"] = "the system has no counters of a slowed processor"
    clocks = _numbers(root.glob(f"{CPUS}/cpu[0-9]*/cpufreq/scaling_cur_freq"))
    clock_mhz = max(clocks, default=0) / 1000 or None
    by: tuple[str, ...] = ()
    if accelerator == "cuda":
        clock_mhz, by, limits, counters, missing = _gpus()
        power |= limits
        slowed |= counters
        unknown |= missing
        if not missing:
            unknown.pop("throttling", None)
    if clock_mhz is None:
        unknown["clock"] = "the system does not say the clock"
    if not power:
        unknown["power"] = "the system does not say its power settings"
    swapped = _swapped()
    if swapped is None:
        unknown["swapping"] = "the system does not count it"
    known = bool(slowed) or (accelerator == "cuda" and "GPU" not in unknown)
    return Reading(power, clock_mhz, slowed if known else None, by, swapped, unknown)


def setting(name: str, root: Path = SYS) -> str | None:
    """The values of one of Linux's SETTINGS on all cores, each once; None if it names none.

    A virtual machine often has no governor of its own, and other systems have none.
    """
    found = set()
    for path in root.glob(SETTINGS[name]):
        with suppress(OSError, UnicodeDecodeError):
            found.add(path.read_text(encoding="utf-8").strip())
    return ", ".join(sorted(found)) or None


def _slowed(root: Path) -> Iterator[tuple[str, int]]:
    """The sums over all cores of the best counters of each kind."""
    for kind in ("core", "package"):
        for name in (one for one in SLOWED if one.startswith(kind)):
            numbers = _numbers(root.glob(f"{CPUS}/cpu[0-9]*/thermal_throttle/{name}"))
            if numbers:  # all cores of a package have its counter
                yield name, max(numbers) if name.endswith("_ms") else sum(numbers)
                break


def _numbers(paths: Iterable[Path]) -> list[int]:
    found = []
    for path in paths:
        with suppress(OSError, ValueError):
            found.append(int(path.read_text()))
    return found


def _swapped() -> int | None:
    """The bytes that moved to and from the swap; None if the system does not count them."""
    try:
        swap = psutil.swap_memory()
    except (OSError, RuntimeError, ValueError):
        return None
    return int(swap.sin) + int(swap.sout)


def _gpus() -> tuple[float | None, tuple[str, ...], dict[str, str], dict[str, int], dict[str, str]]:
    """The slowest clock in MHz, what slows a GPU, power limits, counters, and what is unknown."""
    clocks: list[int] = []
    by: set[str] = set()
    limits: dict[str, str] = {}
    counters: dict[str, int] = {}
    unknown: dict[str, str] = {}
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return None, (), {}, {}, {"GPU": f"the driver does not answer: {error}"}
    try:
        for number, one in enumerate(_visible_gpus()):
            clocks.append(pynvml.nvmlDeviceGetClockInfo(one, pynvml.NVML_CLOCK_SM))
            bits = pynvml.nvmlDeviceGetCurrentClocksThrottleReasons(one)
            by |= {words for name, words in REASONS.items() if bits & getattr(pynvml, name)}
            limit = pynvml.nvmlDeviceGetEnforcedPowerLimit(one)
            limits[f"GPU {number} power limit"] = f"{limit / 1000:g} W"
            with suppress(pynvml.NVMLError):  # not every GPU counts it
                counters[f"GPU {number}: heat_ms"] = _heat_ms(one)
    except pynvml.NVMLError as error:
        unknown = {"GPU": str(error)}
    finally:
        pynvml.nvmlShutdown()
    return min(clocks, default=None), tuple(sorted(by)), limits, counters, unknown


def _heat_ms(handle: Any) -> int:
    """Milliseconds for which heat slowed a GPU so far: also what is over before a reading.

    Source: NVIDIA, "NVML API Reference", nvmlViolationTime_t, which counts nanoseconds.
    """
    status = pynvml.nvmlDeviceGetViolationStatus(handle, pynvml.NVML_PERF_POLICY_THERMAL)
    return int(status.violationTime) // 1_000_000


def _visible_gpus() -> list[Any]:
    """The driver's handles of the GPUs that this process may use."""
    count = pynvml.nvmlDeviceGetCount()
    handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(count)]
    uuids = [pynvml.nvmlDeviceGetUUID(handle) for handle in handles]
    return [handles[place] for place in visible(os.environ.get(VARIABLE), uuids)]


def _mac() -> Reading:
    """The conditions of a Mac, as `pmset` says them."""
    power, unknown = {}, {"clock": "macOS does not say it"}
    slowed_by: tuple[str, ...] = ()
    settings, heat = _pmset("-g"), _pmset("-g", "therm")
    if found := re.search(r"^\s*(lowpowermode|powermode)\s+(\d+)", settings, re.MULTILINE):
        power[found[1]] = found[2]
    with suppress(AttributeError, OSError):
        if (battery := psutil.sensors_battery()) is not None:
            power["supply"] = "mains" if battery.power_plugged else "battery"
    if found := re.search(r"CPU_Speed_Limit\s*=\s*(\d+)", heat):
        slowed_by = ("CPU speed limit",) if int(found[1]) < 100 else ()
    known = bool(heat)
    if not known:
        unknown["throttling"] = "pmset says nothing"
    if not power:
        unknown["power"] = "pmset says nothing"
    return Reading(power, None, {} if known else None, slowed_by, _swapped(), unknown)


def _pmset(*arguments: str) -> str:
    """The output of macOS's power tool; empty if it fails."""
    try:
        return subprocess.run(
            ["/usr/bin/pmset", *arguments], capture_output=True, text=True, check=True, timeout=5
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
