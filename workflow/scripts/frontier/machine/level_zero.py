"""Level Zero's system management: the part of Intel's interface that reads GPUs' counters.

Its library (libze_loader) comes with Intel's driver, and keeps its form: structures only grow by
others that they point to. Intel's package pyzes looks for it in the place of one Linux alone, and
xpu-smi, which few have, takes most of a second for an answer. Source: Level Zero's zes_api.h, API
version 1.17; the layouts here were compared with it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from ctypes import c_char, c_double, c_int32, c_uint8, c_uint32, c_uint64, c_void_p
from functools import lru_cache
from typing import Any

LIBRARY = "libze_loader.so.1"
SUCCESS = 0
INTEGRATED = 1
"""The flag of a GPU that shares the processor's memory."""
ON_DEVICE = 1
"""The place of memory that is a GPU's own."""
CARD, PACKAGE = 1, 2
"""Domains of power: a whole card, or the GPU's package."""
COMPUTING_ENGINES = (1, 0, 11)
"""Groups of engines, the best first: all that compute, all of a GPU, those for computing and 3D."""
COMPUTES = 1 << 1
"""The flag of a process that uses engines for computing."""
SUSTAINED, IN_WATTS = 1, 2
"""The level and the unit of a limit of power."""
HEAT = {
    1 << 3: "GPU: heat", 1 << 8: "GPU: heat", 1 << 4: "GPU: alert of the power supply",
}  # fmt: skip
"""Reasons for which a clock is held down that count: not a GPU's own limits of power and current,
at which one works under load."""
MOST_PROCESSES = 1024


class _Described(ctypes.Structure):
    """A structure that says what it is, and may point to a further one."""

    KIND = 0

    def __init__(self) -> None:
        """Says what it is."""
        super().__init__()
        self.kind = self.KIND

    @classmethod
    def new(cls) -> Any:
        """One to be filled."""
        return cls()


_HEAD: list[Any] = [("kind", c_int32), ("next", c_void_p)]
_PART: list[Any] = [("on_part", c_uint8), ("part", c_uint32)]
_TEXT = c_char * 64


class Core(_Described):
    """A device as Level Zero's other half has it."""

    _fields_ = [
        *_HEAD, ("type", c_int32), ("vendor", c_uint32), ("device", c_uint32), ("flags", c_uint32),
        ("subdevice", c_uint32), ("clock", c_uint32), ("most_allocated", c_uint64),
        *((f"number{place}", c_uint32) for place in range(7)),
        ("timer_resolution", c_uint64), ("timestamp_bits", c_uint32), ("kernel_bits", c_uint32),
        ("uuid", c_uint8 * 16), ("name", c_char * 256),
    ]  # fmt: skip


class Device(_Described):
    """A device's names."""

    KIND = 0x1
    _fields_ = [
        *_HEAD, ("core", Core), ("parts", c_uint32), ("serial", _TEXT), ("board", _TEXT),
        ("brand", _TEXT), ("model", _TEXT), ("vendor", _TEXT), ("driver", _TEXT),
    ]  # fmt: skip


class Further(_Described):
    """A device's flags."""

    KIND = 0x2D
    _fields_ = [*_HEAD, ("uuid", c_uint8 * 16), ("type", c_int32), ("flags", c_uint32)]


class Process(_Described):
    """A process that uses a device."""

    KIND = 0x16
    _fields_ = [
        *_HEAD, ("pid", c_uint32), ("memory", c_uint64), ("shared", c_uint64),
        ("engines", c_uint32),
    ]  # fmt: skip


class Memory(_Described):
    """A module of memory."""

    KIND = 0xB
    _fields_ = [
        *_HEAD, ("type", c_int32), *_PART, ("location", c_int32), ("physical", c_uint64),
        ("bus", c_int32), ("channels", c_int32),
    ]  # fmt: skip


class MemoryState(_Described):
    """The use of a module of memory."""

    KIND = 0x1E
    _fields_ = [*_HEAD, ("health", c_int32), ("free", c_uint64), ("size", c_uint64)]


class Power(_Described):
    """A domain of power."""

    KIND = 0xD
    _fields_ = [
        *_HEAD, *_PART, ("controlled", c_uint8), ("threshold", c_uint8), ("default", c_int32),
        ("least", c_int32), ("most", c_int32),
    ]  # fmt: skip


class PowerDomain(_Described):
    """The kind of a domain of power."""

    KIND = 0x28
    _fields_ = [*_HEAD, ("domain", c_int32), ("default", c_void_p)]


class Limit(_Described):
    """A limit of power."""

    KIND = 0x27
    _fields_ = [
        *_HEAD, ("level", c_int32), ("source", c_int32), ("unit", c_int32), ("locked", c_uint8),
        ("enabled", c_uint8), ("interval_locked", c_uint8), ("interval", c_int32),
        ("limit_locked", c_uint8), ("limit", c_int32),
    ]  # fmt: skip


class Counted(ctypes.Structure):
    """A counter, of energy in microjoules or of active time in microseconds, and its moment."""

    _fields_ = [("count", c_uint64), ("moment_us", c_uint64)]


class Clock(_Described):
    """A domain of clocks; the first is the GPU's own."""

    KIND = 0x9
    _fields_ = [
        *_HEAD, ("type", c_int32), *_PART, ("controlled", c_uint8), ("events", c_uint8),
        ("least", c_double), ("most", c_double),
    ]  # fmt: skip


class ClockState(_Described):
    """A clock in MHz, and what holds it down."""

    KIND = 0x1B
    _fields_ = [
        *_HEAD, ("voltage", c_double), ("request", c_double), ("tdp", c_double),
        ("efficient", c_double), ("actual", c_double), ("reasons", c_uint32),
    ]  # fmt: skip


class Engine(_Described):
    """A group of engines."""

    KIND = 0x5
    _fields_ = [*_HEAD, ("type", c_uint32), *_PART]


@lru_cache(maxsize=1)
def _opened() -> Any:
    """The library, ready to be asked, or the reason why it is not."""
    try:
        found = ctypes.CDLL(LIBRARY)
        code = found.zesInit(0)
    except (OSError, AttributeError) as error:
        return f"no Level Zero: {error}"
    return f"Level Zero: no driver (error {code:#x})" if code != SUCCESS else found


def function(name: str) -> Callable[..., int]:
    """One of its functions. Raises LookupError with the reason."""
    found = _opened()
    if isinstance(found, str):
        raise LookupError(found)
    try:
        asked: Callable[..., int] = getattr(found, name)
    except AttributeError:
        raise LookupError(f"Level Zero: this version has no {name}") from None
    return asked


def every(name: str, owner: c_void_p | None = None) -> list[c_void_p]:
    """The handles of an owner, such as its domains of power; none if it has none."""
    ask, count = function(name), c_uint32(0)
    first = (owner,) if owner is not None else ()
    if ask(*first, ctypes.byref(count), None) != SUCCESS or not count.value:
        return []
    handles = (c_void_p * count.value)()
    if ask(*first, ctypes.byref(count), handles) != SUCCESS:
        return []
    return [c_void_p(one) for one in handles[: count.value]]


def filled(name: str, handle: c_void_p, found: Any, further: Any = None) -> Any:
    """A structure as a handle fills it, and a `further` one; None if it does not."""
    if further is not None:
        found.next = ctypes.cast(ctypes.pointer(further), c_void_p)
    return found if function(name)(handle, ctypes.byref(found)) == SUCCESS else None


def listed(name: str, handle: c_void_p, kind: Any, most: int) -> list[Any] | None:
    """A list of structures of a handle; None if it does not say them."""
    count, found = c_uint32(most), (kind * most)()
    for one in found:
        one.kind = kind.KIND
    if function(name)(handle, ctypes.byref(count), found) != SUCCESS:
        return None
    return list(found[: count.value])
