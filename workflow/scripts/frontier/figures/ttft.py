"""Time to first token."""

from __future__ import annotations

from frontier import words
from frontier.figures import PerRequest, heading
from frontier.figures.common.spread import Spread, spread_columns
from frontier.results.times import ttft_s


class Ttft(Spread):
    """The time until the first text appears."""

    ORDER = 40
    PREFIX = "ttft"
    DEFINITION = "time to first token: request handed over to first generated token"
    COLUMNS = spread_columns(PREFIX, DEFINITION)
    PER_REQUEST = PerRequest("ttft_s", "Time to first token", ttft_s)
    HEADINGS = (heading("TTFT", "ttft_p50_s", words.seconds),)
