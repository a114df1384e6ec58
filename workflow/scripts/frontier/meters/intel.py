"""The energy counters and the use of Intel's GPUs, by Level Zero. Not tried on hardware."""

from __future__ import annotations

import statistics
import time
from collections import Counter as Tally
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from ctypes import c_void_p
from typing import Any, ClassVar

from frontier.machine import intel, level_zero
from frontier.machine.level_zero import COMPUTING_ENGINES, Counted, every, filled
from frontier.meters import Counter, Energized, Meter, NoCounterError, Use

MICRO = 1e-6
FRESH_S = 0.15
"""The time after which counters have new values. Source: torch.xpu."""


Moments = list[tuple[int, int]]
"""Values of counters, each with the microsecond at which the driver read it."""


class Intel(Meter):
    """The cards of the GPUs that this process may use, else their packages.

    Few drivers let others than root read the engines' activity. Source: Level Zero, zes_api.h.
    """

    COUNTS: ClassVar[str] = "Level Zero: the GPUs' cards"

    def __init__(self) -> None:
        """Opens nothing yet."""
        self._units: list[intel.Unit] = []
        self._powers: list[c_void_p] = []
        self._engines: list[c_void_p | None] = []
        self._before: tuple[Moments, Moments] | None = None

    @staticmethod
    def parts(system: str, accelerator: str) -> AbstractSet[Energized]:
        """The GPUs, where they compute."""
        return {"gpu"} if accelerator == "xpu" else set()

    def open(self) -> None:
        """Opens the library. Raises NoCounterError without a card that counts energy."""
        try:
            self._units = intel.visible_units()
        except LookupError as error:
            raise NoCounterError(str(error)) from None
        if not self._units:
            raise NoCounterError("Level Zero: no GPU is visible")
        cards = Tally(one.handle.value for one in self._units)
        if any(cards[one.handle.value] < one.parts for one in self._units):
            raise NoCounterError(
                "Level Zero: a part of a card has no counter of its own, and others may compute on "
                "the rest"
            )
        firsts = {one.handle.value: one for one in self._units}
        powers = [intel.power(one) for one in firsts.values()]
        self._powers = [one for one in powers if one is not None]
        if len(self._powers) < len(powers):
            raise NoCounterError("Level Zero: the driver shows no power of this card")
        self._engines = [_engine(one) for one in self._units]
        self.read()
        self._before = self._now()
        time.sleep(FRESH_S)

    def read(self) -> tuple[Counter, ...]:
        """A counter for each card."""
        found = _counts("zesPowerGetEnergyCounter", self._powers)
        if found is None:
            raise NoCounterError("Level Zero: the driver does not let its energy be read")
        return tuple(
            Counter("gpu", f"card {place}", count * MICRO) for place, (count, _) in enumerate(found)
        )

    def _now(self) -> tuple[Moments, Moments] | None:
        """The counters of the cards' energy and of the GPUs' activity; None if one is unknown."""
        energy = _counts("zesPowerGetEnergyCounter", self._powers)
        active = _counts("zesEngineGetActivity", self._engines)
        return (energy, active) if energy and active else None

    def use(self) -> Use | None:
        """The use since it was asked last; None if the driver does not report all of it."""
        now, states = self._now(), [intel.clock(one) for one in self._units]
        if now is None or self._before is None:
            return None
        watts, busy = (_rates(*pair) for pair in zip(self._before, now, strict=True))
        clocks = [one.actual for one in states if one is not None and one.actual >= 0]
        if watts is None or busy is None or len(clocks) < len(states):
            return None
        self._before = now
        return Use(statistics.fmean(busy), statistics.fmean(clocks), sum(watts))


def _counts(name: str, handles: Sequence[c_void_p | None]) -> Moments | None:
    """The counters of handles; None if one has none, or the driver does not let it be read."""
    found: list[Any] = [one and filled(name, one, Counted()) for one in handles]
    return None if None in found else [(one.count, one.moment_us) for one in found]


def _rates(before: Moments, now: Moments) -> list[float] | None:
    """The growth of counters by their own clocks; None if one has not been read since."""
    pairs = list(zip(before, now, strict=True))
    if any(last[1] <= first[1] for first, last in pairs):
        return None
    return [(last[0] - first[0]) / (last[1] - first[1]) for first, last in pairs]


def _engine(unit: intel.Unit) -> c_void_p | None:
    """The group of engines whose activity is a GPU's; None if it shows none."""
    found: dict[int, c_void_p] = {}
    for handle in every("zesDeviceEnumEngineGroups", unit.handle):
        kind = filled("zesEngineGetProperties", handle, level_zero.Engine.new())
        if kind is not None and unit.owns(kind):
            found.setdefault(kind.type, handle)
    return next((found[one] for one in COMPUTING_ENGINES if one in found), None)
