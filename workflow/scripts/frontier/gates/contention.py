"""Gate: other processes did not use the processors, on average, often, or in any session."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from frontier.errors import Reason
from frontier.gates import Gate, Timing
from frontier.results.records import Record

MOST_DISTURBED = 0.05
"""Share of the requests; beyond it the mean and the 90th percentile are distorted."""


class Contention(Gate):
    """Fails if others used more cores than the device's `max_background_cores`."""

    ORDER = 20

    def reason(self, timing: Timing) -> Reason | None:
        """Checks all requests, the share of disturbed ones, and each session long enough."""
        return (
            self._on_average(timing.load.foreign_cores, timing)
            or self._often(timing)
            or next(filter(None, self._in_sessions(timing)), None)
        )

    def again(self, timing: Timing) -> Sequence[Record]:
        """The disturbed ones, or all if it is only the average that is too high."""
        most = timing.max_background_cores
        return [one for one in timing.records if (one.foreign_cores or 0) > most] or timing.records

    def _in_sessions(self, timing: Timing) -> Iterator[str | None]:
        fewest = MOST_DISTURBED * len(timing.records)
        for session in timing.load.sessions:
            if session.requests > fewest:
                yield self._on_average(session.foreign_cores, timing)

    def _on_average(self, cores: float, timing: Timing) -> Reason | None:
        most = timing.max_background_cores
        if cores <= most:
            return None
        return f"contention: other processes used {cores:.2f} cores on average, more than {most:g}"

    def _often(self, timing: Timing) -> Reason | None:
        most = timing.max_background_cores
        above = sum((record.foreign_cores or 0) > most for record in timing.records)
        disturbed = above / max(len(timing.records), 1)
        if disturbed <= MOST_DISTURBED:
            return None
        return (
            f"contention: during {disturbed:.0%} of the requests other processes used more than "
            f"{most:g} cores"
        )
