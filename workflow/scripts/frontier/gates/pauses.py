"""The process did not stand still during a request: stopped, frozen, or suspended."""

from __future__ import annotations

from frontier.errors import Reason
from frontier.gates import Gate, Timing


class Pauses(Gate):
    """Fails where it did during a request, however often that was asked."""

    ORDER = 40

    def reason(self, timing: Timing) -> Reason | None:
        """During how many of the requests."""
        still = sum(record.paused for record in timing.records)
        if not still:
            return None
        return f"pause: the process stood still during {still} of {len(timing.records)} requests"
