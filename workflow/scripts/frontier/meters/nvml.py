"""The energy counters and the use of NVIDIA's GPUs, by their driver's library (NVML)."""

from __future__ import annotations

import statistics
from collections.abc import Set as AbstractSet
from typing import Any, ClassVar

import pynvml

from frontier.machine import nvidia
from frontier.meters import Counter, Energized, Meter, NoCounterError, Use

MILLI = 1e-3


class Nvml(Meter):
    """The boards of the GPUs that this process may use, memory included.

    GPUs before Volta count no energy. The counter is 64 bits wide and starts with the driver.
    Source: NVIDIA, "NVML API Reference Guide", nvmlDeviceGetTotalEnergyConsumption.
    """

    COUNTS: ClassVar[str] = "NVML: the GPUs' boards"

    def __init__(self) -> None:
        """Opens nothing yet."""
        self._gpus: list[Any] = []
        self._opened = False

    @staticmethod
    def parts(system: str, accelerator: str) -> AbstractSet[Energized]:
        """The GPUs, where they compute."""
        return {"gpu"} if accelerator == "cuda" else set()

    def open(self) -> None:
        """Opens the driver's library. Raises NoCounterError without a GPU that counts energy."""
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError as error:
            raise NoCounterError(f"NVML: no driver ({error})") from None
        self._opened = True
        try:
            self._gpus = nvidia.visible_handles()
        except pynvml.NVMLError as error:
            raise NoCounterError(f"NVML: {error}") from None
        if not self._gpus:
            raise NoCounterError("NVML: no GPU is visible")
        self.read()

    def read(self) -> tuple[Counter, ...]:
        """A counter for each GPU."""
        try:
            found = [pynvml.nvmlDeviceGetTotalEnergyConsumption(one) for one in self._gpus]
        except pynvml.NVMLError_NotSupported:
            raise NoCounterError("NVML: this GPU counts no energy (those before Volta)") from None
        except pynvml.NVMLError as error:
            raise NoCounterError(f"NVML: its energy counter cannot be read ({error})") from None
        return tuple(Counter("gpu", f"GPU {n}", one * MILLI) for n, one in enumerate(found))

    def use(self) -> Use | None:
        """The use that the driver reports now; None if it does not report all of it."""
        try:
            busy = [pynvml.nvmlDeviceGetUtilizationRates(one).gpu / 100 for one in self._gpus]
            clocks = [
                pynvml.nvmlDeviceGetClockInfo(one, pynvml.NVML_CLOCK_SM) for one in self._gpus
            ]
            watts = [pynvml.nvmlDeviceGetPowerUsage(one) * MILLI for one in self._gpus]
        except pynvml.NVMLError:
            return None
        if not self._gpus:
            return None
        return Use(statistics.fmean(busy), statistics.fmean(clocks), sum(watts))

    def close(self) -> None:
        """Closes the driver's library."""
        if self._opened:
            pynvml.nvmlShutdown()
        self._opened = False
