"""The device's memory."""

from __future__ import annotations

from frontier import words
from frontier.figures import Figure, Measured, Needs, Values, heading
from frontier.results.columns import Column


class DevicePeakBytes(Figure):
    """The process's peak memory on its device."""

    ORDER = 120
    NEEDS = Needs.MEASUREMENT
    COLUMNS = (
        Column(
            "device_peak_bytes", "count", "bytes",
            "peak memory on the device, where it has its own",
        ),
    )  # fmt: skip
    HEADINGS = (heading("Device peak", "device_peak_bytes", words.size),)

    def values(self, measured: Measured) -> Values:
        """The maximum over all sessions."""
        memory = measured.measurement.memory
        return {"device_peak_bytes": memory.device_peak_bytes if memory else None}
