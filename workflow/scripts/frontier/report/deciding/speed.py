"""The figure by which variants are fast or slow in each scenario."""

from __future__ import annotations

from dataclasses import dataclass

from frontier import words
from frontier.catalogue.ids import SINGLE_STREAM
from frontier.results.columns import StudyRow

P50, P50_LOW, P50_HIGH = "latency_p50_s", "latency_p50_low_s", "latency_p50_high_s"

IN_CACHE = {"cached": "were in a prefix cache", "may be cached": "may have been in a prefix cache"}
"""The meaning of a cell's `server_prompts`, in a sentence."""
WITH_CACHE = {"on": "with a prefix cache", "unknown": "it may have a prefix cache"}
"""The meaning of a cell's `prefix_cache`, likewise."""


@dataclass(frozen=True)
class Speed:
    """A time per request, or a rate of requests."""

    title: str
    """The title of the table that shows it."""
    columns: tuple[str, str, str]
    """The columns of the value and of the two ends of its interval."""
    rate: bool
    """Whether it is a rate, of which more is faster."""
    unit: str
    """The text after a value, in a sentence."""
    named: str
    """It, in a sentence."""
    ends: str = "95 % interval {}"
    """The interval, in a sentence; {}: its ends."""

    def value(self, row: StudyRow) -> float | None:
        """The figure of a cell; None unless it was published."""
        value = row[self.columns[0]]
        return value if row["outcome"] == "measured" and value is not None and value > 0 else None

    def bounds(self, row: StudyRow) -> tuple[float | None, float | None]:
        """The ends of its interval."""
        return row[self.columns[1]], row[self.columns[2]]

    def seconds(self, row: StudyRow) -> float:
        """The seconds for a request, of which fewer is faster. The row has a value."""
        value: float = row[self.columns[0]]
        return 1 / value if self.rate else value

    def overlap(self, one: StudyRow, other: StudyRow) -> bool:
        """True unless the intervals of both are known and apart."""
        (low, high), (other_low, other_high) = self.bounds(one), self.bounds(other)
        if low is None or high is None or other_low is None or other_high is None:
            return True
        return low <= other_high and other_low <= high

    def short(self, row: StudyRow) -> str:
        """The value: 14.2 ms, or 42.1 requests/s."""
        value = row[self.columns[0]]
        return f"{words.significant(value)} requests/s" if self.rate else words.seconds(value)

    def text(self, row: StudyRow) -> str:
        """The value with its interval: 14.2 ms per request (95 % interval 13.9–14.6)."""
        value, ends = row[self.columns[0]], self.bounds(row)
        shown = words.interval(ends) if self.rate else words.seconds_interval(value, ends)
        interval = f" ({self.ends.format(shown)})" if shown else ""
        return f"{self.short(row)} {self.unit}{interval}{note(row)}"


def note(row: StudyRow) -> str:
    """The remark on a server's prefix cache: "; with a prefix cache", or nothing."""
    if prompts := row.get("server_prompts"):
        return f"; its repeated prompts {IN_CACHE[prompts]}"
    cache = row.get("prefix_cache")
    return f"; {WITH_CACHE[cache]}" if cache else ""


LATENCY = Speed(
    "Median seconds per request", (P50, P50_LOW, P50_HIGH), False, "per request", "a latency"
)
THROUGHPUT = Speed(
    "Requests per second, all of them at once",
    ("requests_per_s", "requests_per_s_low", "requests_per_s_high"),
    True,
    "with all requests at once",
    "a throughput",
)
CAPACITY = Speed(
    "Highest rate of arrivals within the limits, in requests per second",
    ("max_rate_per_s", "max_rate_per_s", "fails_at_per_s"),
    True,
    "arriving at random, within the limits of latency",
    "a rate that holds the limits",
    "between the highest rate that holds and the lowest that does not: {}",
)
CHOICE = Speed(
    "Median seconds per choice (nothing is generated)",
    ("choice_p50_s", "choice_p50_low_s", "choice_p50_high_s"),
    False,
    "per choice",
    "a time of a choice",
)
SPEEDS = {SINGLE_STREAM: LATENCY, "offline": THROUGHPUT, "server": CAPACITY}
ALL = (*SPEEDS.values(), CHOICE)


def speed_of(*rows: StudyRow) -> Speed:
    """The figure of a cell, or of the cells of one task in one scenario.

    That of the scenario, unless the task's questions are choices; latency for a scenario of another
    release.
    """
    if any(row.get(CHOICE.columns[0]) is not None for row in rows):
        return CHOICE
    return SPEEDS.get(rows[0]["scenario"], LATENCY)
