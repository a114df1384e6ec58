"""Gate: the last third of the requests took about as long as the first."""

from __future__ import annotations

from itertools import pairwise

from frontier.errors import Reason
from frontier.gates import Gate, Timing
from frontier.stats import drift


class Drift(Gate):
    """Fails if latency changed by more than the device's `max_drift`, beyond doubt.

    The part of it that the requests' own sizes explain does not count. Requests that overlap wait
    for one another, so only those asked one at a time are judged.
    """

    ORDER = 55

    def reason(self, timing: Timing) -> Reason | None:
        """The change, from the earliest session's first request to the latest's last."""
        if timing.max_drift is None or not timing.latencies:
            return None
        timed = [one for one in timing.records if one.failure is None and not one.paused]
        began = {one.session: one.started for one in timing.sessions}
        timed.sort(key=lambda one: (began.get(one.session, ""), one.session, one.start_ns))
        begins = [
            place
            for place, (before, after) in enumerate(pairwise(timed), start=1)
            if before.session != after.session
        ]
        sizes = (
            [one.tokens + sum(one.choice_tokens) for one in timed],
            [one.prompt_tokens for one in timed],
        )
        change = drift.change([one.end_ns for one in timed], sizes, timing.max_drift, begins)
        if change is None:
            return None
        how = "slower" if change > 0 else "faster"
        return f"drift: the last third of the requests was {abs(change):.0%} {how} than the first"
