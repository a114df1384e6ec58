"""Meters: counters of energy, and of a GPU's use. One class per file, found by its place.

A meter reads what the hardware counts; it never estimates energy from a power that it samples.
Zeus (0.16.0 on PyPI) has the same counters, but integrates sampled power on GPUs that count no
energy, polls each RAPL counter in a process of its own, and requires packages that nothing else
here needs (pandas, scikit-learn, amdsmi, httpx). So the counters are read here, and only Apple's
come through its small library.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Set as AbstractSet
from typing import ClassVar, Literal, NamedTuple

from frontier.errors import Reason
from frontier.registry import Registry

Energized = Literal["cpu", "gpu"]
"""The parts of a machine whose energy is counted: the processors with their memory, the GPUs."""


class NoCounterError(Exception):
    """A part of the machine has no counter that can be read; the message is the reason."""


class Counter(NamedTuple):
    """The value of one counter."""

    part: Energized
    name: str
    """Unique among the counters of a meter."""
    joules: float
    """Since a moment that is not known."""
    wraps_at: float | None = None
    """Joules at which it starts again at 0; None if it never does."""
    needed: bool = True
    """Whether the sum of the part is wrong without it; others may stand still."""


class Use(NamedTuple):
    """The use of the GPUs at one moment."""

    busy: float
    """Share of the last moments (the driver's: between 1/6 s and 1 s) during which any kernel ran,
    on average over the GPUs. It does not show how much of a GPU that kernel used."""
    clock_mhz: float
    """The clock of the multiprocessors, on average over the GPUs."""
    watts: float
    """The power, all GPUs together."""


class Meter(ABC):
    """The counters of a kind of hardware."""

    COUNTS: ClassVar[str]
    """The hardware that is counted, in words for the report."""

    @staticmethod
    @abstractmethod
    def parts(system: str, accelerator: str) -> AbstractSet[Energized]:
        """The parts that it counts on an operating system with that accelerator."""

    @abstractmethod
    def open(self) -> None:
        """Prepares reading. Raises NoCounterError if the machine has no such counter.

        It may show the use of GPUs all the same.
        """

    @abstractmethod
    def read(self) -> tuple[Counter, ...]:
        """All counters. Raises NoCounterError if one can no longer be read."""

    def use(self) -> Use | None:
        """The use of the GPUs; None if unknown."""
        return None

    def close(self) -> None:
        """Ends reading."""
        return


METERS: Registry[Meter] = Registry("meters", Meter)


NOT_COMPUTING = "does not compute here"
"""The end of the reason for a part that takes no part in computing, so that it uses no energy for
requests."""


def unknown_part(part: Energized, system: str, accelerator: str) -> Reason:
    """The reason why no meter counts a part."""
    return f"no meter counts the {part}'s energy on {system} with accelerator {accelerator}"
