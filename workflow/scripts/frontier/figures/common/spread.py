"""Figures that are statistics of times: quantiles and mean, each with its interval."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from frontier.figures import Figure, Measured, Needs, Values
from frontier.results.columns import ENDS, Column
from frontier.scoring import latency
from frontier.stats.intervals import Estimate

STATISTICS = {
    "p50": "median",
    "p90": "90th percentile",
    "p99": "99th percentile (missing where the sample is too small to know it)",
    "mean": "mean",
}
"""The statistics' names in descriptions."""


def column(prefix: str, statistic: str, end: str = "") -> str:
    """The column of a statistic, e.g. latency_p50_s or, with end="low", latency_p50_low_s."""
    return "_".join(part for part in (prefix, statistic, end, "s") if part)


def spread_columns(prefix: str, definition: str) -> tuple[Column, ...]:
    """The columns of all statistics of a time."""
    found = []
    for statistic, named in STATISTICS.items():
        name = column(prefix, statistic)
        found.append(Column(name, "number", "s", f"{named} of the {definition}"))
        found += [
            Column(column(prefix, statistic, end), "number", "s", f"{words} of {name}", name)
            for end, words in ENDS.items()
        ]
    return tuple(found)


class Spread(Figure):
    """The statistics of a time per request."""

    NEEDS = Needs.LATENCIES
    PREFIX: ClassVar[str]

    def values(self, measured: Measured) -> Values:
        """Each statistic with its interval."""
        assert self.PER_REQUEST
        return self.named(latency.summarize(self.PER_REQUEST.value, measured.records))

    def named(self, statistics: Mapping[str, Estimate | None]) -> Values:
        """The statistics by column."""
        return {column(self.PREFIX, name): one for name, one in statistics.items()}
