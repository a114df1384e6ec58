"""Intel's GPUs, by Level Zero. Not tried on hardware, only on stand-ins.

A card may be several GPUs to torch, one for each of its parts (tiles), unless
ZE_FLAT_DEVICE_HIERARCHY says otherwise. Its processes and its energy are those of the whole card.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from ctypes import c_void_p
from typing import Any, ClassVar, NamedTuple

from frontier.errors import Reason
from frontier.machine import level_zero
from frontier.machine.level_zero import every, filled, listed
from frontier.machine.maker import Gpu, Maker, Readings

VARIABLE, HIERARCHY = "ZE_AFFINITY_MASK", "ZE_FLAT_DEVICE_HIERARCHY"


class Unit(NamedTuple):
    """A GPU as torch counts them: a device of Level Zero, or one of its parts."""

    handle: c_void_p
    part: int | None
    """The part of the device; None for all of it."""
    parts: int
    """The parts that the device is seen as."""
    place: int
    """Its number in the variable."""
    uuid: str
    name: str
    driver: str
    integrated: bool

    def owns(self, one: Any) -> bool:
        """True for what belongs to this GPU, as its memory and its clock do."""
        return self.part is None or not one.on_part or one.part == self.part


def _host() -> list[Unit]:
    """This host's GPUs, as the driver numbers them. Raises LookupError with the reason."""
    whole = os.environ.get(HIERARCHY) == "COMPOSITE"
    found: list[Unit] = []
    for driver in every("zesDriverGet")[:1]:  # torch, too, takes the first
        for handle in every("zesDeviceGet", driver):
            further = level_zero.Further.new()
            one = filled("zesDeviceGetProperties", handle, level_zero.Device.new(), further)
            if one is None:
                continue
            integrated = bool(further.flags & level_zero.INTEGRATED)
            parts = 1 if whole or integrated or not one.parts else one.parts
            uuid = bytes(further.uuid if any(further.uuid) else one.core.uuid).hex()
            for part in range(parts):
                found.append(
                    Unit(
                        handle=handle,
                        part=part if parts > 1 else None,
                        parts=parts,
                        place=len(found),
                        uuid=f"ZE-{uuid}" + (f".{part}" if parts > 1 else ""),
                        name=(one.core.name or one.model).decode(errors="replace"),
                        driver=one.driver.decode(errors="replace"),
                        integrated=integrated,
                    )
                )
    return found


def shown_places(value: str | None, count: int) -> list[int]:
    """The GPUs, of `count`, that ZE_AFFINITY_MASK (None: not set) shows, each once.

    As torch reads it: numbers only. An empty one hides nothing, and one with parts of devices (0.1)
    is not supported, so none is shown. Source: compute-runtime, execution_environment.cpp.
    """
    if not value:
        return list(range(count))
    try:
        numbers = [int(one) for one in value.split(",")]
    except ValueError:
        return []
    return [one for one in dict.fromkeys(numbers) if 0 <= one < count]


def visible_units() -> list[Unit]:
    """The GPUs that this process may use. Raises LookupError.

    As for torch: those with memory of their own; others only where there are no such.
    """
    host = _host()
    shown = [host[place] for place in sorted(shown_places(os.environ.get(VARIABLE), len(host)))]
    return [one for one in shown if not one.integrated] or shown


def _memory(unit: Unit) -> tuple[int, int] | None:
    """The bytes of a GPU's own memory, and those in use; None if it has none or does not say."""
    modules = []
    for handle in every("zesDeviceEnumMemoryModules", unit.handle):
        kind = filled("zesMemoryGetProperties", handle, level_zero.Memory.new())
        if kind is None or kind.location != level_zero.ON_DEVICE or not unit.owns(kind):
            continue
        state = filled("zesMemoryGetState", handle, level_zero.MemoryState.new())
        if state is None:
            return None
        modules.append((int(state.size), int(state.size - state.free)))
    if not modules:
        return None
    return sum(size for size, _ in modules), sum(used for _, used in modules)


def _processes(unit: Unit) -> dict[int, int] | None:
    """The bytes of memory by pid of those that compute on a GPU's card; None if not known."""
    most = level_zero.MOST_PROCESSES
    found = listed("zesDeviceProcessesGetState", unit.handle, level_zero.Process, most)
    if found is None:
        return None
    computing = (one for one in found if not one.engines or one.engines & level_zero.COMPUTES)
    return {int(one.pid): int(one.memory) for one in computing}


def clock(unit: Unit) -> Any:
    """The state of a GPU's clock; None if it does not say it."""
    for handle in every("zesDeviceEnumFrequencyDomains", unit.handle):
        kind = filled("zesFrequencyGetProperties", handle, level_zero.Clock.new())
        if kind is not None and kind.type == 0 and unit.owns(kind):
            return filled("zesFrequencyGetState", handle, level_zero.ClockState.new())
    return None


def power(unit: Unit) -> c_void_p | None:
    """The domain of power of a GPU's card, else of its package; None if it has neither."""
    found: dict[int, c_void_p] = {}
    for handle in every("zesDeviceEnumPowerDomains", unit.handle):
        domain = level_zero.PowerDomain.new()
        kind = filled("zesPowerGetProperties", handle, level_zero.Power.new(), domain)
        if kind is not None and not kind.on_part:
            found.setdefault(domain.domain, handle)
    return found.get(level_zero.CARD, found.get(level_zero.PACKAGE))


def _limit_watts(unit: Unit) -> float | None:
    """The lasting limit of power of a GPU's card; None if it does not say it."""
    handle = power(unit)
    found = listed("zesPowerGetLimitsExt", handle, level_zero.Limit, 8) if handle else None
    for one in found or []:
        if one.enabled and (one.level, one.unit) == (level_zero.SUSTAINED, level_zero.IN_WATTS):
            return float(one.limit / 1000)
    return None


class Intel(Maker):
    """GPUs that compute by SYCL and Level Zero."""

    NAME: ClassVar[str] = "Intel"
    ACCELERATOR: ClassVar[str] = "xpu"
    VARIABLE: ClassVar[str] = VARIABLE
    NONE: ClassVar[str] = "127"  # the last number that torch has; an empty one hides nothing

    def gpus(self) -> list[Gpu]:
        """The GPUs that this process may use."""
        try:
            found = visible_units()
        except LookupError:
            return []
        described = []
        for one in found:
            size, used = _memory(one) or (None, None)
            processes = _processes(one) if one.part is None else None
            described.append(
                Gpu(
                    uuid=one.uuid,
                    name=one.name,
                    memory_bytes=size,
                    used_bytes=used,
                    driver=one.driver or None,
                    processes=None if processes is None else tuple(processes),
                    shown_as=str(one.place),
                )
            )
        return described

    def why_none(self) -> Reason:
        """The missing library, or the variable."""
        try:
            host = _host()
        except LookupError as error:
            return f"; {error}"
        said = self.set_variables()
        return f"; {said}" if host and said else ""

    def held(self, pids: Collection[int]) -> int | None:
        """Bytes that these processes hold on all cards; None if unknown, as in containers."""
        try:
            cards = {one.handle.value: one for one in _host()}
        except LookupError:
            return None
        every_card = [_processes(one) for one in cards.values()]
        if None in every_card:
            return None
        held = (size for one in every_card for pid, size in (one or {}).items() if pid in pids)
        return sum(held) or None

    def readings(self) -> Readings:
        """Clocks, limits, and what holds the clocks down now; nothing counts how long."""
        try:
            found, units = Readings(), visible_units()
        except LookupError as error:
            return Readings(unknown={"GPU": str(error)})
        for place, one in enumerate(units):
            state = clock(one)
            if state is None:
                found.unknown["GPU"] = "it does not say what slows it"
                continue
            if state.actual >= 0:
                found.clocks_mhz.append(state.actual)
            found.slowed_by |= {
                words for bit, words in level_zero.HEAT.items() if state.reasons & bit
            }
            if watts := _limit_watts(one):
                found.limits[f"GPU {place} power limit"] = f"{watts:g} W"
        if len(found.clocks_mhz) < len(units):
            found.clocks_mhz.clear()
        return found
