"""The energy counters and the use of AMD's GPUs, by AMD SMI. Not tried on hardware."""

from __future__ import annotations

import statistics
import time
from collections.abc import Set as AbstractSet
from typing import Any, ClassVar

from frontier.machine import amd
from frontier.machine.amd_smi import asked, number
from frontier.meters import Counter, Energized, Meter, NoCounterError, Use

MICRO = 1e-6
CHECK_S = 0.5
"""The time over which the counter is compared with the power that the firmware reports."""
MOST_APART = 2.0
"""The factor by which they may differ: some releases count in another unit, or never."""


class Amd(Meter):
    """The boards of the GPUs that this process may use, memory included.

    Only MI100 and later count energy, and no guest of a virtual machine sees it. Source: AMD SMI's
    reference, amdsmi_get_energy_count; its issue 22 has GPUs whose counter stands still.
    """

    COUNTS: ClassVar[str] = "AMD SMI: the GPUs' boards"

    def __init__(self) -> None:
        """Opens nothing yet."""
        self._gpus: list[Any] = []

    @staticmethod
    def parts(system: str, accelerator: str) -> AbstractSet[Energized]:
        """The GPUs, where they compute."""
        return {"gpu"} if accelerator == "rocm" else set()

    def open(self) -> None:
        """Opens the library. Raises NoCounterError without a GPU that counts its energy rightly."""
        try:
            self._gpus = [one.handle for one in amd.visible_processors()]
        except LookupError as error:
            raise NoCounterError(f"AMD SMI: {error}") from None
        if not self._gpus:
            raise NoCounterError("AMD SMI: no GPU is visible")
        self._check()

    def _check(self) -> None:
        """Raises NoCounterError for a counter that contradicts the power of the same GPU."""
        before, began_s = self.read(), time.monotonic()
        reported = [_watts(one) for one in self._gpus]
        time.sleep(CHECK_S)
        after, lasted_s = self.read(), time.monotonic() - began_s
        for first, last, watts in zip(before, after, reported, strict=True):
            counted = (last.joules - first.joules) / lasted_s
            if watts and not 1 / MOST_APART <= counted / watts <= MOST_APART:
                raise NoCounterError(
                    f"AMD SMI: {first.name} counts {counted:.3g} W, and reports {watts:.3g} W"
                )

    def read(self) -> tuple[Counter, ...]:
        """A counter for each GPU."""
        found = [asked("amdsmi_get_energy_count", one) for one in self._gpus]
        counters = []
        for place, one in enumerate(found):
            count = number((one or {}).get("energy_accumulator", (one or {}).get("power")))
            unit = number((one or {}).get("counter_resolution"))
            if not count or not unit:
                raise NoCounterError("AMD SMI: this GPU counts no energy")
            counters.append(Counter("gpu", f"GPU {place}", count * unit * MICRO))
        return tuple(counters)

    def use(self) -> Use | None:
        """The use that the firmware reports now; None if it does not report all of it."""
        activity = [asked("amdsmi_get_gpu_activity", one) or {} for one in self._gpus]
        busy = [number(one.get("gfx_activity")) for one in activity]
        clocks = [amd.clock_mhz(one) for one in self._gpus]
        watts = [_watts(one) for one in self._gpus]
        known = [
            (share / 100, clock, power)
            for share, clock, power in zip(busy, clocks, watts, strict=True)
            if share is not None and clock is not None and power is not None
        ]
        if not known or len(known) < len(self._gpus):
            return None
        shares, mhz, powers = zip(*known, strict=True)
        return Use(statistics.fmean(shares), statistics.fmean(mhz), sum(powers))


def _watts(handle: Any) -> float | None:
    """The power of a GPU's board: of this moment, else of the last ones; None if not reported."""
    found = asked("amdsmi_get_power_info", handle) or {}
    for name in ("current_socket_power", "average_socket_power", "socket_power"):
        if watts := number(found.get(name)):  # 0 where it has none
            return watts
    return None
