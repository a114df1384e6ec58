"""Gate: latency had settled before requests were timed, in each session."""

from __future__ import annotations

from frontier.errors import Reason
from frontier.gates import Gate, Timing


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
