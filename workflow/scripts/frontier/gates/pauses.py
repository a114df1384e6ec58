"""Gate: the process was not paused during a request: stopped, frozen, or suspended."""

from __future__ import annotations

from collections.abc import Sequence

from frontier.errors import Reason
from frontier.gates import Gate, Timing
from frontier.results.records import Record


class Pauses(Gate):
    """Fails if it was paused in all attempts of a request."""

    ORDER = 40

    def reason(self, timing: Timing) -> Reason | None:
        """The number of such requests."""
        still = sum(record.paused for record in timing.records)
        if not still:
            return None
        return f"pause: the process was paused during {still} of {len(timing.records)} requests"

    def again(self, timing: Timing) -> Sequence[Record]:
        """Those requests."""
        return [record for record in timing.records if record.paused]
