"""The counters of energy, or the reasons why there are none."""

from __future__ import annotations

from frontier.figures import Figure, Measured, Needs, Values
from frontier.figures.common import metering
from frontier.results.columns import Column


class EnergyCounters(Figure):
    """The counters that the energy of requests comes from, and the power at rest.

    At rest: the model loaded, before the first request. Several sessions: their mean.
    """

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
        Column(
            "cpu_rest_watts",
            "number",
            "W",
            "power of the processors with the model loaded, before the first request",
        ),
        Column(
            "gpu_rest_watts",
            "number",
            "W",
            "power of the GPUs with the model loaded, before the first request",
        ),
        Column(
            "metering_share",
            "number",
            "processors",
            "processor time of reading counters while requests are timed, over that time",
        ),
    )

    def values(self, measured: Measured) -> Values:
        """The counters, the power at rest and what reading has cost."""
        found = list(metering.metered(measured.measurement))
        shares = [one.own_share for one in found if one.own_share is not None]
        known: dict[str, str | float | None] = {"metering_share": max(shares, default=None)}
        for part in metering.PARTS:
            watts = [one.rest_watts[part] for one in found if part in one.rest_watts]
            known[f"{part}_energy_counter"] = metering.counter(measured.measurement, part)
            known[f"{part}_rest_watts"] = sum(watts) / len(watts) if watts else None
        return known
