"""The conditions on this machine: its power settings, its clocks, what slows it, its swap.

Linux says them in /sys and by the drivers of GPUs, macOS by `pmset` (not tried here). What cannot
be read is named with the reason, and never taken for undisturbed.
"""

from __future__ import annotations

import platform
import re
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from frontier.machine.hardware import MAKERS
from frontier.machine.maker import Readings

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
    gpus = MAKERS[accelerator].readings() if accelerator in MAKERS else Readings()
    if accelerator in MAKERS:
        clock_mhz = min(gpus.clocks_mhz, default=None)
        power |= gpus.limits
        slowed |= gpus.counters
        unknown |= gpus.unknown
        if not gpus.unknown:
            unknown.pop("throttling", None)
    if clock_mhz is None:
        unknown["clock"] = "the system does not say the clock"
    if not power:
        unknown["power"] = "the system does not say its power settings"
    swapped = _swapped()
    if swapped is None:
        unknown["swapping"] = "the system does not count it"
    known = bool(slowed) or (accelerator in MAKERS and "GPU" not in unknown)
    by = tuple(sorted(gpus.slowed_by))
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
