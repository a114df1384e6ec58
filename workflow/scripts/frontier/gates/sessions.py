"""Gate: all sessions had the same machine, the same packages and the same weights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from frontier.errors import Reason
from frontier.gates import Gate, Timing
from frontier.results.records import Record


class Sessions(Gate):
    """Fails if an interrupted measurement continued with something else."""

    ORDER = 50
    ONE_SESSION = False

    def reason(self, timing: Timing) -> Reason | None:
        """The differences. Packages of an adopted session do not count, by its user's decision."""
        own = [session for session in timing.sessions if not session.adopted]
        if _differ(session.hardware for session in timing.sessions):
            return "hardware: an interrupted measurement continued on another machine"
        if _differ(session.packages for session in own):
            return "packages: an interrupted measurement continued with other versions"
        if _differ(session.weights_sha256 for session in own):
            return "weights: an interrupted measurement continued with rebuilt ones"
        return None

    def again(self, timing: Timing) -> Sequence[Record]:
        """The requests of all sessions but the last."""
        last = timing.sessions[-1].session
        return [record for record in timing.records if record.session != last]


def _differ(values: Iterable[object]) -> bool:
    first, *others = [*values] or [None]
    return any(other != first for other in others)
