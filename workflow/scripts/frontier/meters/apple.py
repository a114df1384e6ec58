"""The energy counters of Apple silicon, by the library zeus-apple-silicon. Not tried on a Mac."""

from __future__ import annotations

import importlib
from collections.abc import Set as AbstractSet
from typing import Any, ClassVar

from frontier.meters import Counter, Energized, Meter, NoCounterError

MILLI = 1e-3
FIELDS: dict[str, tuple[Energized, bool]] = {
    "cpu_total_mj": ("cpu", True),
    "dram_mj": ("cpu", False),
    "gpu_mj": ("gpu", True),
    "gpu_sram_mj": ("gpu", False),
}
"""The library's counters: the part of the machine that each belongs to, and whether it is needed.
A chip lacks some of them."""


class Apple(Meter):
    """Processors with their memory, and GPU, of the whole Mac; needs no rights of root.

    Source: zeus-apple-silicon 1.1, AppleEnergyMonitor.get_cumulative_energy.
    """

    COUNTS: ClassVar[str] = "IOReport: Apple silicon's"

    def __init__(self) -> None:
        """Opens nothing yet."""
        self._monitor: Any = None

    @staticmethod
    def parts(system: str, accelerator: str) -> AbstractSet[Energized]:
        """The processors of a Mac, and its GPU where it computes."""
        if system != "Darwin" or accelerator not in ("cpu", "mps"):
            return set()
        return {"cpu", "gpu"} if accelerator == "mps" else {"cpu"}

    def open(self) -> None:
        """Opens the library. Raises NoCounterError if it is not installed, or finds no counter."""
        try:
            library = importlib.import_module("zeus_apple_silicon")
        except ImportError:
            raise NoCounterError("Apple: the package zeus-apple-silicon is not installed") from None
        try:
            self._monitor = library.AppleEnergyMonitor()
        except RuntimeError as error:
            raise NoCounterError(f"Apple: {error}") from None
        if not any(one.needed for one in self.read()):
            raise NoCounterError("Apple: this chip shows no counter")

    def read(self) -> tuple[Counter, ...]:
        """The counters that this chip has."""
        try:
            found = self._monitor.get_cumulative_energy()
        except RuntimeError as error:
            raise NoCounterError(f"Apple: {error}") from None
        known = ((name, *FIELDS[name], getattr(found, name, None)) for name in FIELDS)
        return tuple(
            Counter(part, name.removesuffix("_mj"), value * MILLI, needed=needed)
            for name, part, needed, value in known
            if value is not None
        )
