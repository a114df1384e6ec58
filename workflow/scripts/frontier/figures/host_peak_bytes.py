"""The host's memory."""

from __future__ import annotations

from frontier import words
from frontier.figures import Figure, Measured, Needs, Values, heading
from frontier.results.columns import Column


class HostPeakBytes(Figure):
    """The process's peak memory on the host."""

    ORDER = 110
    NEEDS = Needs.MEASUREMENT
    COLUMNS = (
        Column("host_peak_bytes", "count", "bytes", "peak memory of the process on the host"),
    )
    HEADINGS = (heading("Host peak", "host_peak_bytes", words.size),)

    def values(self, measured: Measured) -> Values:
        """The maximum over all sessions."""
        memory = measured.measurement.memory
        return {"host_peak_bytes": memory.host_peak_bytes if memory else None}
