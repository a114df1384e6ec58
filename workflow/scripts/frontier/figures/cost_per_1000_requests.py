"""The price of requests."""

from __future__ import annotations

from frontier import words
from frontier.figures import Figure, Measured, Values, heading
from frontier.results.columns import with_interval
from frontier.scoring.latency import dependence, latency_s, mean
from frontier.stats.intervals import Estimate


class CostPer1000Requests(Figure):
    """The device's price for the time of a thousand requests, one after the other."""

    ORDER = 130
    COLUMNS = with_interval(
        "cost_per_1000_requests",
        "the currency of the device's price",
        "price of the device's time for 1,000 requests one after another",
    )
    HEADINGS = (heading("Cost of 1,000", "cost_per_1000_requests", words.number),)

    def values(self, measured: Measured) -> Values:
        """The cost; None if the device has no price."""
        price_per_hour = measured.spec.device.price_per_hour
        if price_per_hour is None or not measured.records:
            return {}
        seconds = [latency_s(record) for record in measured.records]
        times = mean(seconds, dependence(seconds, measured.records))
        factor = price_per_hour / 3600 * 1000
        value, low, high = (
            None if end is None else factor * end for end in (times.value, times.low, times.high)
        )
        method = f"price of the mean latency: {times.method}"
        return {"cost_per_1000_requests": Estimate(value, low, high, method)}
