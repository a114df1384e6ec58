"""Gate: requests were asked in few sessions."""

from __future__ import annotations

from frontier.errors import Reason
from frontier.gates import Gate, Timing

MOST = 5  # a session is a process that loaded the model and warmed up


class Example(Gate):
    """Fails if a measurement was interrupted more often than that."""

    ORDER = 1000
    ONE_SESSION = False

    def reason(self, timing: Timing) -> Reason | None:
        """The number of sessions that asked requests."""
        asking = len(list(timing.asking()))
        return f"sessions: requests were asked in {asking}" if asking > MOST else None
