"""Gate: all tokens of each request have arrived, in order."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from frontier.errors import Reason
from frontier.gates import Gate, Timing
from frontier.results.records import Record


class Clock(Gate):
    """Fails if a request's tokens and times are inconsistent."""

    ORDER = 60

    def reason(self, timing: Timing) -> Reason | None:
        """The error in the first such request."""
        return next(filter(None, map(_disorder, timing.records)), None)

    def again(self, timing: Timing) -> Sequence[Record]:
        """All such requests."""
        return [record for record in timing.records if _disorder(record)]


def _disorder(record: Record) -> Reason | None:
    """The error in a record's times, if any.

    Its arrivals must have all of its tokens, none may be empty (a server's first chunk often is),
    and no clock may run backwards.
    """
    arrived = sum(arrival.tokens for arrival in record.arrivals)
    if record.tokens != arrived:
        return f"request {record.id}: {record.tokens} tokens, of which {arrived} have arrived"
    if record.late_ns and len(record.late_ns) != len(record.arrivals) + 2:
        return f"request {record.id}: the bounds of its times are not those of its arrivals"
    if any(arrival.tokens < 1 for arrival in record.arrivals):
        return f"request {record.id}: an arrival without a token"
    times = [0, *(arrival.ns for arrival in record.arrivals), record.end_ns]
    if record.start_ns < record.due_ns or any(
        later < earlier for earlier, later in pairwise(times)
    ):
        return f"request {record.id}: its times run backwards"
    return None
