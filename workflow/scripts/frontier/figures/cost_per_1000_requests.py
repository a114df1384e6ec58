"""The price of requests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from frontier import words
from frontier.blocks import TokenPrices
from frontier.figures import Figure, Measured, Values, heading
from frontier.figures.common import throughput
from frontier.prices import cost
from frontier.results.columns import with_interval
from frontier.results.records import Record
from frontier.results.times import latency_s
from frontier.scoring.latency import dependence, mean, over
from frontier.stats.intervals import Estimate
from frontier.stats.jackknife import LOG, jackknife
from frontier.stats.serial import Serial


class CostPer1000Requests(Figure):
    """The price of a thousand requests: of their tokens, or of the device's time."""

    ORDER = 130
    COLUMNS = (
        *with_interval(
            "cost_per_1000_requests",
            "the currency of the prices",
            "price of 1,000 requests: of their tokens at an endpoint, or of the device's time for "
            "them one after another, offline all at once",
        ),
        *with_interval(
            "cost_per_million_tokens",
            "the currency of the prices",
            "the same price for a million generated tokens",
        ),
    )
    HEADINGS = (heading("Cost of 1,000", "cost_per_1000_requests", words.number),)

    def values(self, measured: Measured) -> Values:
        """The costs; None without a price, or without an answer."""
        records = [record for record in measured.records if record.failure is None]
        if not records:
            return {}
        if prices := measured.spec.model.prices:
            return self._by_tokens([_cost(record, prices) for record in records], records)
        price_per_hour = measured.spec.device.price_per_hour
        if price_per_hour is None:
            return {}
        if not throughput.one_by_one(measured):
            return self._by_throughput(price_per_hour, measured)
        return self._by_time(price_per_hour, records)

    def _by_throughput(self, price_per_hour: float, measured: Measured) -> Values:
        """The cost of time in which many requests are answered at once."""
        found = throughput.requests(measured), throughput.tokens(measured)
        return {
            name: _times(throughput.inverse(one), factor * price_per_hour / 3600, "price of 1 /")
            for name, one, factor in zip(NAMES, found, FACTORS, strict=True)
        }

    def _by_tokens(self, costs: list[float], records: list[Record]) -> Values:
        """The cost of tokens: means over requests and over tokens, whatever the machine does."""
        ones, tokens = [1] * len(records), [record.tokens for record in records]
        return {
            name: _times(_ratio(costs, counts), factor, "price of the tokens")
            for name, counts, factor in zip(NAMES, (ones, tokens), FACTORS, strict=True)
        }

    def _by_time(self, price_per_hour: float, records: list[Record]) -> Values:
        """The cost of time: the mean latency, and the time over the tokens."""
        seconds = [latency_s(record) for record in records]
        serial = dependence(seconds, records)
        tokens = [record.tokens for record in records]
        found = mean(seconds, serial), _ratio(seconds, tokens, serial)
        what = "price of the mean latency", "price of the time for a token"
        return {
            name: _times(one, factor * price_per_hour / 3600, of)
            for name, one, factor, of in zip(NAMES, found, FACTORS, what, strict=True)
        }


NAMES, FACTORS = ("cost_per_1000_requests", "cost_per_million_tokens"), (1e3, 1e6)


def _ratio(
    of: Sequence[float], to: Sequence[float], timed: Serial | None = None
) -> Estimate | None:
    """The ratio of two sums over requests; None if only one request counts in either."""
    if min(np.count_nonzero(of), np.count_nonzero(to)) < min(2, len(of)):
        return None
    totals = np.column_stack([of, to]).astype(np.float64)
    return jackknife(over, totals, scale=LOG, timed=timed).estimate


def _cost(record: Record, prices: TokenPrices) -> float:
    """The price of a request's tokens, by the endpoint's own count."""
    return cost(prices, record.prompt_tokens, record.tokens, record.cached_tokens)


def _times(estimate: Estimate | None, factor: float, what: str) -> Estimate | None:
    """An estimate in money."""
    if estimate is None:
        return None
    value, low, high = (
        None if end is None else factor * end
        for end in (estimate.value, estimate.low, estimate.high)
    )
    return Estimate(value, low, high, f"{what}: {estimate.method}")
