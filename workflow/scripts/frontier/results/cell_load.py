"""The part of a cell's JSON about the scenario `server`: its limits, and each rate of arrivals."""

from __future__ import annotations

from typing import Literal

from frontier.results.key import Amount, Block, Count

Cached = Literal["cached", "may be cached"]


class Bound(Block):
    """A figure with its interval, and MLPerf's estimate of it."""

    value: Amount
    low: Amount | None = None
    high: Amount | None = None
    method: str
    at_most: Amount | None = None
    """The value that it does not exceed, by early stopping with a confidence of 99 %; None if
    requests without an answer leave none."""


class Quantiles(Block):
    """Quantiles of a time in seconds; None where requests are too few or have no answer."""

    p50: Bound | None = None
    p90: Bound | None = None
    p99: Bound | None = None


class Rate(Block):
    """The requests that arrived at one rate."""

    rate: Amount
    """Arrivals per second."""
    share: Amount | None
    """The part that it is of the rate at which all requests at once were answered."""
    requests: Count
    answered: Count
    """At the first attempt."""
    within: Count
    """Answered within both limits."""
    seconds: Amount
    """The time from the first arrival to the last answer."""
    holds: bool | None
    """Whether both limits hold; None if requests or time were too few to know."""
    stopped: bool
    """Whether it was stopped because the queue grew without end."""
    invalid: str | None = None
    """The reason why its times are not published."""
    goodput: Bound | None = None
    """Requests per second that were answered within both limits."""
    output_tokens_per_s: Amount | None = None
    cached_prompt_share: Amount | None = None
    """Tokens of prompts from the server's prefix cache over all, by its own count."""
    latency: Quantiles = Quantiles()
    """The time from a request's arrival by the schedule to its last token's text."""
    ttft: Quantiles = Quantiles()
    """The time from a request's scheduled arrival to its first token, as the limit counts it."""
    ttft_sent: Quantiles = Quantiles()
    """The time to first token from the moment at which the engine got the request."""
    tpot: Quantiles = Quantiles()


class Loads(Block):
    """All rates of a cell, the lowest first."""

    ttft_s: Amount
    """The limit of TTFT."""
    tpot_s: Amount
    """The limit of TPOT."""
    percentile: Amount
    """The percentage of requests that must be within each limit."""
    prompts: Cached | None = None
    """Whether prompts, which each rate repeats, came from a server's prefix cache; None: not."""
    at_once_per_s: Amount | None
    """The rate at which all requests at once were answered."""
    max_rate: Amount | None = None
    """The highest rate at which the limits hold; None if they do at none, or if none is known."""
    fails_at: Amount | None = None
    """The lowest rate above it at which they are not known to hold."""
    rates: tuple[Rate, ...]

    @property
    def best(self) -> Rate | None:
        """The requests at the highest rate that holds."""
        return next((one for one in self.rates if one.rate == self.max_rate), None)
