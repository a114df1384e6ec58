"""Gate: a server's counts of tokens agree with what it sent and with what it was sent."""

from __future__ import annotations

from collections.abc import Sequence

from frontier.errors import Reason
from frontier.gates import Gate, Timing
from frontier.results.records import Record

MOST_DOUBTED = 0.005
"""Share of the requests; the 99th percentile then stays within the next half per cent."""


class Doubts(Gate):
    """Fails if the counts of more requests disagree."""

    ORDER = 62

    def reason(self, timing: Timing) -> Reason | None:
        """The number of such requests, and the first doubt."""
        doubted = [one.doubts[0] for one in timing.records if one.doubts]
        if len(doubted) <= MOST_DOUBTED * len(timing.records):
            return None
        return f"doubts: {len(doubted)} of {len(timing.records)} requests; the first: {doubted[0]}"

    def again(self, timing: Timing) -> Sequence[Record]:
        """Those requests."""
        return [record for record in timing.records if record.doubts]
