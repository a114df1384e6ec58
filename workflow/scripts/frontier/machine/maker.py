"""A maker of GPUs: what its library and its variable of visible GPUs say about this host."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from frontier.errors import Reason


@dataclass(frozen=True)
class Gpu:
    """A GPU as its maker's library reports it; None where it does not say."""

    uuid: str
    name: str
    memory_bytes: int | None
    used_bytes: int | None
    driver: str | None
    processes: tuple[int, ...] | None
    """The pids computing on it."""
    shown_as: str
    """The value of the maker's variable that leaves only this one visible."""


@dataclass
class Readings:
    """The conditions of the visible GPUs at one moment."""

    clocks_mhz: list[float] = field(default_factory=list)
    slowed_by: set[str] = field(default_factory=set)
    """The reasons for which any is slowed at this moment."""
    limits: dict[str, str] = field(default_factory=dict)
    """Their limits of power."""
    counters: dict[str, int] = field(default_factory=dict)
    """Counters that grow while one is slowed; those in `_ms` count milliseconds."""
    unknown: dict[str, str] = field(default_factory=dict)
    """Reasons: under `GPU`, why it is not known what slows them."""


class Maker(ABC):
    """The GPUs of one maker on this host."""

    NAME: ClassVar[str]
    ACCELERATOR: ClassVar[str]
    """The accelerator that they are."""
    VARIABLE: ClassVar[str]
    """The variable with the GPUs that stay visible."""
    NONE: ClassVar[str] = ""
    """Its value that leaves none visible."""
    FURTHER: ClassVar[tuple[str, ...]] = ()
    """Variables that choose among those."""

    @abstractmethod
    def gpus(self) -> list[Gpu]:
        """The GPUs that this process may use, whole ones only; none without the library."""

    @abstractmethod
    def why_none(self) -> Reason:
        """The reason why GPUs are missing, after a semicolon; empty if there is none to give."""

    @abstractmethod
    def held(self, pids: Collection[int]) -> int | None:
        """Bytes that these processes hold on all GPUs; None if unknown, as in containers."""

    @abstractmethod
    def readings(self) -> Readings:
        """The current conditions of the visible GPUs."""

    def show(self, shown: Sequence[str]) -> None:
        """Leaves these visible, by their `shown_as`, to this process and those that it starts."""
        os.environ[self.VARIABLE] = ",".join(shown)
        for name in self.FURTHER:
            os.environ.pop(name, None)

    def hide(self) -> None:
        """Leaves none visible."""
        os.environ[self.VARIABLE] = self.NONE

    def set_variables(self) -> str:
        """The variables that hide GPUs, as set, in words; empty if none is."""
        given = ((name, os.environ.get(name)) for name in (self.VARIABLE, *self.FURTHER))
        return ", ".join(f"{name} is {value!r}" for name, value in given if value is not None)
