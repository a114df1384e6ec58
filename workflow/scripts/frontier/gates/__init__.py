"""Gates: checks that a measurement must pass before its times are published.

Each file here has one gate: a class, found by its place. All are evaluated in order of ORDER; the
first failure is the reason of the outcome `invalid`.

`score` evaluates them on the whole measurement, so a score depends on their code, and a changed
threshold repeats no measurement. `measure` evaluates those that can judge a single session before
it reuses that session's requests: this decides which requests are repeated but no figure, so a
measurement does not depend on gates.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from frontier.errors import Reason, UserError
from frontier.registry import Registry
from frontier.results.layout import MEASUREMENT
from frontier.results.measurement import Measurement
from frontier.results.records import Record
from frontier.results.session import Contention, Pass, Session


@dataclass(frozen=True)
class Timing:
    """The input of gates: requests, the processes that timed them, and the limits."""

    records: Sequence[Record]
    sessions: Sequence[Session]
    load: Contention
    max_background_cores: float
    max_failed: float = 0.0
    """The share of requests that may be without an answer."""
    latencies: bool = True
    """Whether the times of requests are published; otherwise only those of whole passes."""
    max_drift: float | None = None
    """The relative change of the times from the first third to the last; None: any."""
    max_slowed: float = 1.0
    """The share of the time in which the machine may be slowed; at 1, nothing of it counts."""
    percentile: float | None = None
    """The percentile that there must be enough requests for; None: any number is enough."""

    @classmethod
    def of(
        cls,
        measurement: Measurement,
        records: Sequence[Record],
        max_background_cores: float,
        max_failed: float = 0.0,
        *,
        latencies: bool = True,
        max_drift: float | None = None,
        max_slowed: float = 1.0,
        percentile: float | None = None,
    ) -> Timing:
        """The timing of a measurement and its requests. Raises UserError if nothing was timed."""
        if measurement.contention is None:
            raise UserError(f"{MEASUREMENT}: contention: missing; measure again")
        limits = max_background_cores, max_failed, latencies, max_drift, max_slowed, percentile
        return cls(records, measurement.sessions, measurement.contention, *limits)

    def asking(self) -> Iterator[Session]:
        """The sessions that timed some of the requests."""
        asked = {record.session for record in self.records}
        return (one for one in self.sessions if one.session in asked or one.loaded.passes)


class Gate(ABC):
    """A check for one kind of problem with a measurement."""

    ORDER: ClassVar[int]
    """Gates are evaluated in ascending order."""
    ONE_SESSION: ClassVar[bool] = True
    """Whether it can judge the requests of a single session, which may be few."""

    @abstractmethod
    def reason(self, timing: Timing) -> Reason | None:
        """The reason why the times must not be published; None if there is none."""

    def again(self, timing: Timing) -> Sequence[Record]:
        """The requests of a timing that failed to ask again: times that may then be published.

        All of them by default, none where that cannot help.
        """
        return timing.records

    def passes(self, timing: Timing) -> Sequence[Pass]:
        """The passes of a timing that failed to ask again; none where not a single one failed."""
        return ()


GATES: Registry[Gate] = Registry("gates", Gate)


def in_order() -> list[Gate]:
    """All gates, in order of evaluation."""
    return sorted((gate() for gate in GATES.all().values()), key=lambda gate: gate.ORDER)


def first_reason(timing: Timing, one_session: bool = False) -> Reason | None:
    """The reason of the first gate that fails; None if the times can be published.

    `one_session`: evaluates only the gates that can judge a single session.
    """
    found = first_failure(timing, one_session)
    return found and found[1]


def first_failure(timing: Timing, one_session: bool = False) -> tuple[Gate, Reason] | None:
    """The first gate that fails, with its reason; None if the times can be published."""
    gates = (gate for gate in in_order() if gate.ONE_SESSION or not one_session)
    reasons = ((gate, gate.reason(timing)) for gate in gates)
    return next(((gate, reason) for gate, reason in reasons if reason), None)
