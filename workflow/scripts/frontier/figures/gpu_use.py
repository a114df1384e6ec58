"""The use, clock and power of GPUs while requests are timed."""

from __future__ import annotations

from frontier import words
from frontier.figures import Figure, Measured, Values, heading
from frontier.figures.common import metering
from frontier.results.columns import Column


class GpuUse(Figure):
    """The GPUs' use, clock and power, as the driver reports them while requests are timed.

    The use is the share of the time during which any kernel ran. It does not show how much of the
    GPU that kernel used: one thread that waits for memory counts as 100 %. MBU shows that. Read
    about once a second; several sessions: weighted by their readings.
    """

    ORDER = 126
    COLUMNS = (
        Column(
            "gpu_busy",
            "number",
            "fraction",
            "share of the time during which any kernel ran; not how much of the GPU it used",
        ),
        Column("gpu_clock_mhz", "number", "MHz", "median clock of the GPUs' multiprocessors"),
        Column("gpu_clock_lowest_mhz", "number", "MHz", "lowest of these clocks"),
        Column("gpu_watts", "number", "W", "mean power of the GPUs, as the driver reports it"),
    )
    HEADINGS = (heading("GPU busy", "gpu_busy", words.percent),)

    def values(self, measured: Measured) -> Values:
        """The means over all readings; None without a GPU that reports them."""
        found = [one.gpu for one in metering.metered(measured.measurement) if one.gpu]
        readings = sum(one.readings for one in found)
        if not readings:
            return {}
        return {
            "gpu_busy": sum(one.busy * one.readings for one in found) / readings,
            "gpu_clock_mhz": sum(one.clock_mhz * one.readings for one in found) / readings,
            "gpu_clock_lowest_mhz": min(one.lowest_clock_mhz for one in found),
            "gpu_watts": sum(one.watts * one.readings for one in found) / readings,
        }
