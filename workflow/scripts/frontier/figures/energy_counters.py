"""The counters of energy, or the reasons why there are none."""

from __future__ import annotations

from frontier.figures import Figure, Measured, Needs, Values
from frontier.figures.common import metering
from frontier.results.columns import Column


class EnergyCounters(Figure):
    """The counters that the energy of requests comes from, or why there are none."""

    ORDER = 124
    NEEDS = Needs.MEASUREMENT
    CONDITION = True
    COLUMNS = (
        Column(
            "cpu_energy_counter",
            "text",
            "",
            "counter of the processors' energy, or why there is none",
        ),
        Column(
            "gpu_energy_counter", "text", "", "counter of the GPUs' energy, or why there is none"
        ),
    )

    def values(self, measured: Measured) -> Values:
        """The counter of each part, or the reason."""
        return {
            f"{part}_energy_counter": metering.counter(measured.measurement, part)
            for part in metering.PARTS
        }
