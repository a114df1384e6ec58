"""The power at rest, and the cost of reading counters."""

from __future__ import annotations

from frontier import words
from frontier.figures import Figure, Measured, Needs, Values, heading
from frontier.figures.common import metering
from frontier.results.columns import Column


class RestWatts(Figure):
    """The power at rest: the model loaded, before the first request. Several sessions: their mean.

    It is part of the energy of requests.
    """

    ORDER = 128
    NEEDS = Needs.MEASUREMENT
    COLUMNS = (
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
    HEADINGS = (
        heading("CPU at rest, W", "cpu_rest_watts", words.number),
        heading("GPU at rest, W", "gpu_rest_watts", words.number),
    )

    def values(self, measured: Measured) -> Values:
        """The power of each part, and what reading its counter has cost."""
        found = list(metering.metered(measured.measurement))
        shares = [one.own_share for one in found if one.own_share is not None]
        known: dict[str, float | None] = {"metering_share": max(shares, default=None)}
        for part in metering.PARTS:
            watts = [one.rest_watts[part] for one in found if part in one.rest_watts]
            known[f"{part}_rest_watts"] = sum(watts) / len(watts) if watts else None
        return known
