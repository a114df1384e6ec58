"""The host's memory."""

from __future__ import annotations

from frontier import words
from frontier.figures import Figure, Measured, Needs, Values, heading
from frontier.results.columns import Column


class HostPeakBytes(Figure):
    """The peak memory of the processes on the host: the one that measures, and its children.

    A server's are its own. Shared memory counts once; children that had ended are not in it.
    """

    ORDER = 110
    NEEDS = Needs.MEASUREMENT
    COLUMNS = (
        Column("host_peak_bytes", "count", "bytes", "peak memory of the processes on the host"),
    )
    HEADINGS = (heading("Host peak", "host_peak_bytes", words.size),)

    def values(self, measured: Measured) -> Values:
        """The maximum over all sessions."""
        memory = measured.measurement.memory
        return {"host_peak_bytes": memory.host_peak_bytes if memory else None}
