"""Gate: the host did not swap while requests were timed."""

from __future__ import annotations

from frontier.errors import Reason
from frontier.gates import Gate, Timing


class Swapping(Gate):
    """Fails if memory moved to or from the swap longer than the device's `max_slowed`.

    It may be another process's: pages of the model are as likely to go.
    """

    ORDER = 35

    def reason(self, timing: Timing) -> Reason | None:
        """The share of the first session's time in which it did."""
        for session in timing.asking():
            seen = session.loaded.conditions
            if seen is None or not seen.swapped:
                continue
            share = seen.swapped / max(seen.intervals, 1)
            if share > timing.max_slowed:
                moved = (seen.swapped_bytes or 0) / 1e6
                return f"swapping: in {share:.0%} of the time ({moved:.0f} MB in all)"
        return None
