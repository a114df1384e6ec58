"""AMD's GPUs, by AMD SMI. Not tried on hardware, only on stand-ins."""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Collection, Sequence
from typing import Any, ClassVar, NamedTuple

from frontier.errors import Reason
from frontier.machine.amd_smi import asked, library, number
from frontier.machine.maker import Gpu, Maker, Readings
from frontier.machine.visible_gpus import visible

ROCR, HIP, CUDA = "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES"
LEAST_BYTES = 64 * 2**20
"""A process that computes on one GPU has all others open too, with little of their memory."""
WHOLE = "SPX"
"""The partition mode of a GPU that is not cut into parts."""
HEAT = 0xFFFF << 32
"""The bits of temperatures in indep_throttle_status. Source: Linux, kgd_pp_interface.h. Those of
power and current are how a GPU works under load, as SwPowerCap is of NVIDIA's."""
RESIDENCIES = {
    "prochot_residency_acc": "heat, by hardware",
    "socket_thm_residency_acc": "heat of the socket",
    "vr_thm_residency_acc": "heat of the voltage regulator",
    "hbm_thm_residency_acc": "heat of the memory",
}
"""Counters that grow while heat slows an MI300 or later. Source: AMD SMI, amdsmi_gpu_metrics_t."""
_NUMBER = re.compile(r"\+?(0X[0-9A-F]+|0[0-7]*|[1-9][0-9]*)")


class Processor(NamedTuple):
    """A GPU of this host: AMD SMI's handle, and its name among the visible ones."""

    handle: Any
    uuid: str
    whole: bool


def _host() -> list[Processor]:
    """This host's GPUs in the order in which ROCm's runtime numbers them. Raises LookupError."""
    handles = asked("amdsmi_get_processor_handles") or []
    nodes = [(asked("amdsmi_get_gpu_kfd_info", one) or {}).get("node_id") for one in handles]
    if all(isinstance(one, int) for one in nodes):
        handles = [handles[place] for _, place in sorted((one, n) for n, one in enumerate(nodes))]
    processors = []
    for place, handle in enumerate(handles):
        serial = (asked("amdsmi_get_gpu_asic_info", handle) or {}).get("asic_serial", "N/A")
        unique = int(serial, 16) if str(serial).startswith("0x") else 0
        uuid = f"GPU-{unique:016x}" if unique else f"AMD-{place}"
        mode = asked("amdsmi_get_gpu_compute_partition", handle)
        processors.append(Processor(handle, uuid, mode in (None, "", "N/A", WHOLE)))
    return processors


def by_runtime(value: str | None, uuids: Sequence[str]) -> list[int]:
    """Indices into `uuids` of the GPUs that ROCR_VISIBLE_DEVICES (None: not set) shows, in order.

    Numbers, and the beginnings of UUIDs in any case, mixed; it ends before the first that names no
    GPU, or one again. Source: ROCR-Runtime, amd_filter_device.cpp.
    """
    if value is None:
        return list(range(len(uuids)))
    places: list[int] = []
    for part in value.upper().split(",")[: len(uuids)]:
        token = part.strip()
        place = _of_uuid(token, uuids) if token.startswith("G") else _of_number(token)
        if not 0 <= place < len(uuids) or place in places:
            break
        places.append(place)
    return places


def _of_uuid(start: str, uuids: Sequence[str]) -> int:
    """The index of the only UUID with this beginning; -1 if it is none or more than one."""
    found = [place for place, one in enumerate(uuids) if one.upper().startswith(start)]
    return found[0] if len(found) == 1 and len(start) > len("GPU-") else -1


def _of_number(token: str) -> int:
    """A number as C reads it: octal after a 0, hexadecimal after 0x; -1 if it is none."""
    found = _NUMBER.fullmatch(token)
    if found is None:
        return -1
    digits = found[1]
    return int(digits, 16 if digits.startswith("0X") else 8 if digits.startswith("0") else 10)


def visible_processors() -> list[Processor]:
    """The GPUs that this process may use, whole ones only. Raises LookupError.

    HIP chooses among those that its runtime shows; torch reads its variable as it reads CUDA's.
    """
    host = _host()
    shown = [host[place] for place in by_runtime(os.environ.get(ROCR), [one.uuid for one in host])]
    chosen = os.environ.get(HIP) or os.environ.get(CUDA) or None  # an empty one counts as not set
    places = visible(chosen, [one.uuid for one in shown])
    return [shown[place] for place in places if shown[place].whole]


def _processes(handle: Any) -> dict[int, int] | None:
    """The bytes in a GPU's memory by pid of those that compute on it; None if it is not known."""
    found = asked("amdsmi_get_gpu_process_list", handle)
    if found is None or not all(isinstance(one, dict) for one in found):
        return None  # handles of processes, in the first releases
    held = {one["pid"]: int(one.get("memory_usage", {}).get("vram_mem", 0)) for one in found}
    return {pid: size for pid, size in held.items() if size >= LEAST_BYTES}


def metrics(handle: Any) -> dict[str, int]:
    """The counts of heat of a GPU's firmware, by the library's names; without those it lacks.

    Read as the library has it, since its package makes yes or no of the bits.
    """
    wrapper = library().amdsmi_wrapper
    found = wrapper.amdsmi_gpu_metrics_t()
    if wrapper.amdsmi_get_gpu_metrics_info(handle, ctypes.byref(found)):
        return {}
    names = [name for name in ("indep_throttle_status", *RESIDENCIES) if hasattr(found, name)]
    values = {name: int(getattr(found, name)) for name in names}
    return {name: value for name, value in values.items() if value != 2**64 - 1}


def clock_mhz(handle: Any) -> float | None:
    """The clock of a GPU's compute units."""
    clocks = asked("amdsmi_get_clock_info", handle, library().AmdSmiClkType.GFX) or {}
    return number(clocks.get("clk", clocks.get("cur_clk")))


class Amd(Maker):
    """GPUs that compute by ROCm."""

    NAME: ClassVar[str] = "AMD"
    ACCELERATOR: ClassVar[str] = "rocm"
    VARIABLE: ClassVar[str] = ROCR
    FURTHER: ClassVar[tuple[str, ...]] = (HIP, CUDA)

    def gpus(self) -> list[Gpu]:
        """The GPUs that this process may use, whole ones only."""
        try:
            places = {one.uuid: str(place) for place, one in enumerate(_host())}
            found = visible_processors()
        except LookupError:
            return []
        kind = library().AmdSmiMemoryType.VRAM
        described = []
        for one in found:
            asic = asked("amdsmi_get_gpu_asic_info", one.handle) or {}
            driver = asked("amdsmi_get_gpu_driver_info", one.handle) or {}
            processes = _processes(one.handle)
            described.append(
                Gpu(
                    uuid=one.uuid,
                    name=str(asic.get("market_name") or "AMD GPU"),
                    memory_bytes=asked("amdsmi_get_gpu_memory_total", one.handle, kind),
                    used_bytes=asked("amdsmi_get_gpu_memory_usage", one.handle, kind),
                    driver=driver.get("driver_version"),
                    processes=None if processes is None else tuple(processes),
                    shown_as=one.uuid if one.uuid.startswith("GPU-") else places[one.uuid],
                )
            )
        return described

    def why_none(self) -> Reason:
        """The missing library, GPUs that are cut into parts, or the variables."""
        try:
            host = _host()
        except LookupError as error:
            return f"; {error}"
        if parts := sum(not one.whole for one in host):
            return f"; {parts} GPU(s) are cut into parts (not {WHOLE}), which are not supported yet"
        said = self.set_variables()
        return f"; {said}" if host and said else ""

    def held(self, pids: Collection[int]) -> int | None:
        """Bytes that these processes hold on all GPUs; None if unknown, as in containers."""
        try:
            every = [_processes(one.handle) for one in _host()]
        except LookupError:
            return None
        if None in every:
            return None
        return (
            sum(size for one in every for pid, size in (one or {}).items() if pid in pids) or None
        )

    def readings(self) -> Readings:
        """Clocks, limits, and what the firmware counts of heat."""
        try:
            found, processors = Readings(), visible_processors()
        except LookupError as error:
            return Readings(unknown={"GPU": str(error)})
        for place, one in enumerate(processors):
            clock = clock_mhz(one.handle)
            found.clocks_mhz += [] if clock is None else [clock]
            cap = number((asked("amdsmi_get_power_cap_info", one.handle) or {}).get("power_cap"))
            if cap:  # in watts before ROCm 6.3, in microwatts since
                watts = cap / 1e6 if cap >= 1e5 else cap
                found.limits[f"GPU {place} power limit"] = f"{watts:g} W"
            known = metrics(one.handle)
            if not known:
                found.unknown["GPU"] = "its firmware does not count what slows it"
            if known.pop("indep_throttle_status", 0) & HEAT:
                found.slowed_by.add("GPU: heat")
            found.counters |= {f"GPU {place}: {RESIDENCIES[name]}": n for name, n in known.items()}
        if len(found.clocks_mhz) < len(processors):
            found.clocks_mhz.clear()
        return found
