"""NVIDIA's GPUs, by the library of their driver (NVML)."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from typing import Any, ClassVar

import pynvml

from frontier.errors import Reason
from frontier.machine.maker import Gpu, Maker, Readings
from frontier.machine.visible_gpus import VARIABLE, names_slices, visible

REASONS = {
    "nvmlClocksThrottleReasonHwSlowdown": "GPU: hardware slowdown",
    "nvmlClocksThrottleReasonHwThermalSlowdown": "GPU: heat, by hardware",
    "nvmlClocksThrottleReasonSwThermalSlowdown": "GPU: heat, by the driver",
    "nvmlClocksThrottleReasonHwPowerBrakeSlowdown": "GPU: power brake",
}
"""The driver's reasons that count. That a GPU stays at its own power limit (SwPowerCap) is how one
works under load, and no disturbance: what it costs shows in the drift and in the clock."""


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


class Nvidia(Maker):
    """GPUs that compute by CUDA."""

    NAME: ClassVar[str] = "NVIDIA"
    ACCELERATOR: ClassVar[str] = "cuda"
    VARIABLE: ClassVar[str] = VARIABLE

    def gpus(self) -> list[Gpu]:
        """The GPUs that this process may use, whole ones only."""
        with _nvml() as present:
            if not present:
                return []
            driver = pynvml.nvmlSystemGetDriverVersion()
            return [
                Gpu(
                    uuid=uuid,
                    name=pynvml.nvmlDeviceGetName(handle),
                    memory_bytes=int(memory.total),
                    used_bytes=int(memory.used),
                    driver=driver,
                    processes=tuple(
                        process.pid
                        for process in pynvml.nvmlDeviceGetComputeRunningProcesses(handle)
                    ),
                    shown_as=uuid,
                )
                for handle in visible_handles()
                for uuid in [pynvml.nvmlDeviceGetUUID(handle)]
                # The second version excludes the memory reserved by the driver.
                for memory in [pynvml.nvmlDeviceGetMemoryInfo(handle, pynvml.nvmlMemory_v2)]
            ]

    def why_none(self) -> Reason:
        """Slices (MIG), which are not supported, or the variable."""
        if names_slices(value := os.environ.get(VARIABLE)):
            return f"; {VARIABLE} names slices (MIG), which are not supported yet: {value}"
        with _nvml() as present:
            handles = _host_gpus() if present else []
            sliced = sum(map(_sliced, handles))
        if sliced:
            return f"; {sliced} GPU(s) are cut into slices (MIG), which are not supported yet"
        said = self.set_variables()
        return f"; {said}" if handles and said else ""

    def held(self, pids: Collection[int]) -> int | None:
        """Bytes that these processes hold on all GPUs; None if unknown, as in containers."""
        with _nvml() as present:
            found = [
                process.usedGpuMemory
                for handle in (_host_gpus() if present else [])
                for process in pynvml.nvmlDeviceGetComputeRunningProcesses(handle)
                if process.pid in pids and process.usedGpuMemory is not None
            ]
        return sum(found) or None

    def readings(self) -> Readings:
        """Clocks, limits, the driver's reasons, and how long heat slowed each."""
        found = Readings()
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError as error:
            return Readings(unknown={"GPU": f"the driver does not answer: {error}"})
        try:
            for number, one in enumerate(visible_handles()):
                found.clocks_mhz.append(pynvml.nvmlDeviceGetClockInfo(one, pynvml.NVML_CLOCK_SM))
                bits = pynvml.nvmlDeviceGetCurrentClocksThrottleReasons(one)
                found.slowed_by |= {
                    words for name, words in REASONS.items() if bits & getattr(pynvml, name)
                }
                limit = pynvml.nvmlDeviceGetEnforcedPowerLimit(one)
                found.limits[f"GPU {number} power limit"] = f"{limit / 1000:g} W"
                with suppress(pynvml.NVMLError):  # not every GPU counts it
                    found.counters[f"GPU {number}: heat_ms"] = _heat_ms(one)
        except pynvml.NVMLError as error:
            found.unknown = {"GPU": str(error)}
        finally:
            pynvml.nvmlShutdown()
        return found


def _heat_ms(handle: Any) -> int:
    """Milliseconds for which heat slowed a GPU so far: also what is over before a reading.

    Source: NVIDIA, "NVML API Reference", nvmlViolationTime_t, which counts nanoseconds.
    """
    status = pynvml.nvmlDeviceGetViolationStatus(handle, pynvml.NVML_PERF_POLICY_THERMAL)
    return int(status.violationTime) // 1_000_000
