"""Gate: latency had settled before requests were timed, in each session."""

from __future__ import annotations

from collections.abc import Sequence

from frontier.errors import Reason
from frontier.gates import Gate, Timing
from frontier.results.records import Record


class WarmUp(Gate):
    """Fails if a session's warm-up was not enough."""

    ORDER = 10

    def reason(self, timing: Timing) -> Reason | None:
        """The reason for the first session whose latency had not settled."""
        for session in timing.asking():
            warmup = session.loaded.warmup
            if warmup is None:
                return "warm-up: requests were timed in a session that records none"
            if not warmup.settled:
                return f"warm-up: latency had not settled after {warmup.requests} requests"
        return None

    def again(self, timing: Timing) -> Sequence[Record]:
        """The requests of all such sessions."""
        warmups = {one.session: one.loaded.warmup for one in timing.asking()}
        settled = {number for number, one in warmups.items() if one and one.settled}
        return [record for record in timing.records if record.session not in settled]
