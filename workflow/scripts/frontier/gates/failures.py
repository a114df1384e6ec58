"""Gate: few requests had no answer."""

from __future__ import annotations

from collections.abc import Sequence

from frontier.errors import Reason
from frontier.gates import Gate, Timing
from frontier.results.records import Record


class Failures(Gate):
    """Fails if more requests than the engine's `max_failed` had no answer.

    The times are those of answered requests, and which ones fail may depend on their length. What
    a server's filter withheld is no failure: it depends on what a prompt says.
    """

    ORDER = 5
    ONE_SESSION = False

    def reason(self, timing: Timing) -> Reason | None:
        """The number of such requests, and what happened to the first."""
        failed = [one.failure for one in timing.records if one.failure and not one.withheld]
        if len(failed) <= timing.max_failed * len(timing.records):
            return None
        most = f"more than {timing.max_failed:.1%}" if timing.max_failed else "and none may fail"
        return (
            f"failures: {len(failed)} of {len(timing.records)} requests had no answer, {most}; the "
            f"first: {failed[0]}"
        )

    def again(self, timing: Timing) -> Sequence[Record]:
        """None, since the client has sent them again where that may help.

        One after the other they would look like a server that no longer answers.
        """
        return []
