"""End-to-end latency."""

from __future__ import annotations

from frontier import words
from frontier.figures import Heading, PerRequest, heading
from frontier.figures.common.spread import Spread, spread_columns
from frontier.results.columns import StudyRow
from frontier.results.times import latency_s


def _median(row: StudyRow) -> str:
    return words.SIMULATED if row["simulated"] else words.seconds(row["latency_p50_s"])


class Latency(Spread):
    """The time of a whole request, by which variants are compared."""

    ORDER = 30
    PREFIX = "latency"
    DEFINITION = (
        "end-to-end latency: request handed over to last token's text, tokenization included"
    )
    COLUMNS = spread_columns(PREFIX, DEFINITION)
    PER_REQUEST = PerRequest("latency_s", "End to end", latency_s)
    HEADINGS = (
        Heading("Median", _median),
        heading("p90", "latency_p90_s", words.seconds),
        heading("p99", "latency_p99_s", words.seconds),
    )
