"""Gates: what a measurement must pass before its times are published.

Each file here is one gate: a class, found by its place. All are asked, from the lowest ORDER on;
the first reason that one gives is that of the outcome `invalid`.

`score` asks them of the whole measurement, so their code is part of what a score depends on, and a
changed threshold measures nothing again. `measure` asks those that can judge one session before it
takes over what that session has timed: that decides which requests are timed again and no figure,
so a gate is no part of what a measurement depends on.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from frontier.errors import Reason, UserError
from frontier.registry import Registry
from frontier.results.layout import MEASUREMENT
from frontier.results.records import Record
from frontier.values import first_fault


class _Block(BaseModel):
    """A block of measurement.json; what no gate reads may be there as well."""

    model_config = ConfigDict(frozen=True)


class WarmedUp(_Block):
    """How a session's warm-up ended."""

    settled: bool
    requests: int


class Loaded(_Block):
    """What a session has found by loading."""

    warmup: WarmedUp | None = None
    """None of a process that ended before, and so has timed nothing."""


class Session(_Block):
    """A process that timed requests. A measurement that was interrupted, or that took over what one
    of another sample had timed, has several."""

    session: int
    hardware: JsonValue = None
    packages: JsonValue = None
    weights_sha256: str | None = None
    adopted: tuple[JsonValue, ...] = ()
    """By whom and why its packages count as the present ones."""
    loaded: Loaded = Loaded()


class SessionLoad(_Block):
    """How much others used the processors while a session timed requests."""

    requests: int
    foreign_cores: float


class Load(_Block):
    """How much others used the processors and the GPUs while requests were timed."""

    foreign_cores: float
    """On average, over the time of all requests."""
    foreign_gpu_processes: int | None
    """The most that were seen at once; None without a GPU."""
    sessions: tuple[SessionLoad, ...] = ()


@dataclass(frozen=True)
class Timing:
    """What gates look at: requests, the processes that timed them, and the limit of the device."""

    records: Sequence[Record]
    sessions: Sequence[Session]
    load: Load
    max_background_cores: float

    @classmethod
    def of(
        cls, measurement: Mapping[str, Any], records: Sequence[Record], max_background_cores: float
    ) -> Timing:
        """That of a measurement.json and its requests. Raises UserError for another file."""
        try:
            sessions = [Session.model_validate(one) for one in measurement["sessions"]]
            load = Load.model_validate(measurement["contention"])
        except ValidationError as invalid:
            raise UserError(f"{MEASUREMENT}: {first_fault(invalid)}") from None
        return cls(records, sessions, load, max_background_cores)

    def asking(self) -> Iterator[Session]:
        """The sessions that timed some of the requests."""
        asked = {record.session for record in self.records}
        return (session for session in self.sessions if session.session in asked)


class Gate(ABC):
    """One thing that can be wrong with a measurement."""

    ORDER: ClassVar[int]
    """Gates are asked from the lowest on."""
    ONE_SESSION: ClassVar[bool] = True
    """Whether it can judge the requests of one session, which may be few, for themselves."""

    @abstractmethod
    def reason(self, timing: Timing) -> Reason | None:
        """Why the times may not be published, in words; None where nothing is wrong."""


GATES: Registry[Gate] = Registry("gates", Gate)


def in_order() -> list[Gate]:
    """All gates, in the order in which they are asked."""
    return sorted((gate() for gate in GATES.all().values()), key=lambda gate: gate.ORDER)


def first_reason(timing: Timing, one_session: bool = False) -> Reason | None:
    """What the first gate says that is not passed; None where the times can be published.

    `one_session`: ask only the gates that can judge a session for itself.
    """
    gates = (gate for gate in in_order() if gate.ONE_SESSION or not one_session)
    return next(filter(None, (gate.reason(timing) for gate in gates)), None)
