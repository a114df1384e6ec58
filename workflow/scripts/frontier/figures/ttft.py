"""Time to first token."""

from __future__ import annotations

from frontier import words
from frontier.figures import PerRequest, heading
from frontier.figures.common.spread import Spread, spread_columns
from frontier.scoring.latency import ttft_s


class Ttft(Spread):
    """The time until something can be read."""

    place = 40
    prefix = "ttft"
    definition = "time to first token: request handed over to first generated token"
    columns = spread_columns(prefix, definition)
    per_request = PerRequest("ttft_s", "Time to first token", ttft_s)
    headings = (heading("TTFT", "ttft_p50_s", words.seconds),)
