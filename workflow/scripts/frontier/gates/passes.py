"""Gate: each pass asked all requests at once, undisturbed."""

from __future__ import annotations

from frontier.errors import Reason
from frontier.gates import Gate, Timing
from frontier.results.session import Pass


class Passes(Gate):
    """Fails if a pass was interrupted, or if others computed meanwhile."""

    ORDER = 45

    def reason(self, timing: Timing) -> Reason | None:
        """The reason for the first such pass; None where there are no passes."""
        return next(filter(None, (_fault(one, timing) for one in _passes(timing))), None)

    def passes(self, timing: Timing) -> list[Pass]:
        """All such passes."""
        return [one for one in _passes(timing) if _fault(one, timing)]


def _passes(timing: Timing) -> list[Pass]:
    return [one for session in timing.sessions for one in session.loaded.passes]


def _fault(one: Pass, timing: Timing) -> Reason | None:
    asked, most = one.requests + one.failed, timing.max_background_cores
    if asked < len(timing.records):
        total = len(timing.records)
        return f"pass: it was interrupted, and continued with {asked} of {total} requests"
    if one.retried:
        return (
            f"pass: {one.retried} of {asked} requests were sent again, and the wait for that is in "
            "its time; fewer `connections` of the engine may avoid it"
        )
    if one.paused:
        return "pass: the process was paused during a pass over all requests"
    if one.foreign_cores > most:
        return (
            f"contention: during a pass other processes used {one.foreign_cores:.2f} cores on "
            f"average, more than {most:g}"
        )
    if one.foreign_gpu_processes:
        return f"contention: {one.foreign_gpu_processes} other processes on the GPU during a pass"
    return None
