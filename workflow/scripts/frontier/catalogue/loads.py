"""The blocks of a task for the scenario `server`: limits of latency, and the rates that are tried.

No other scenario's measurements depend on them.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator, model_validator

from frontier.blocks import Block, Positive
from frontier.stats import early_stopping

Share = Annotated[float, Field(gt=0, le=10)]
Percentile = Annotated[float, Field(ge=50, le=99.9)]


class Limits(Block):
    """The limits of latency under which a rate of arrivals must stay.

    The defaults are MLPerf's for its smaller model, llama3.1-8b.
    """

    ttft_s: Positive = 2.0
    """The limit on the time to first token, counted from the scheduled arrival."""
    tpot_s: Positive = 0.1
    """The limit on the time per output token."""
    percentile: Percentile = 99.0
    """The percentage of requests that must be within each limit, such as 99 or 90."""


class Rates(Block):
    """The rates of arrivals that are tried, and how long each is."""

    shares: Annotated[tuple[Share, ...], Field(min_length=1, max_length=50)] = (
        0.1, 0.3, 0.5, 0.7, 0.9,
    )  # fmt: skip
    """Tried first, ascending, as shares of the rate at which all requests at once are answered."""
    searched: Annotated[int, Field(ge=0, le=30)] = 5
    """Further rates, by which the highest one that holds the limits is found."""
    min_seconds: Positive = 10.0
    """The least time in which requests arrive at each rate; MLPerf asks for 600."""
    max_seconds: Positive = 120.0
    """The most time, also if that is too short for the percentile."""
    max_requests: Annotated[int, Field(gt=0, le=10**6)] = 5000
    """The most requests at each rate."""
    seed: Annotated[int, Field(ge=0, le=2**63)] = 0
    """Seed of the arrivals, which are the same for all variants but for the unit of time."""

    @field_validator("shares")
    @classmethod
    def _ascend(cls, shares: tuple[float, ...]) -> tuple[float, ...]:
        if list(shares) != sorted(set(shares)):
            raise ValueError("must ascend, each one once")
        return shares

    @model_validator(mode="after")
    def _some_time(self) -> Rates:
        if self.min_seconds > self.max_seconds:
            raise ValueError("min_seconds is above max_seconds")
        return self

    def requests(self, rate: float, sample: int, percentile: float) -> int:
        """The requests at a rate: enough for the percentile, in whole passes over the sample.

        Only where the time or `max_requests` would not be enough for one pass, they are a part
        of it.
        """
        wanted = max(early_stopping.required(1, percentile), rate * self.min_seconds)
        most = int(min(rate * self.max_seconds, self.max_requests))
        passes = -int(-wanted // sample)
        while passes > 1 and passes * sample > most:
            passes -= 1
        return max(1, min(passes * sample, most))

    def long_enough(self, rate: float, requests: int) -> bool:
        """Whether a queue that grows had the time to show it."""
        return requests >= rate * self.min_seconds * 0.99
