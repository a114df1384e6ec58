"""Time per output token."""

from __future__ import annotations

from frontier import words
from frontier.figures import PerRequest, heading
from frontier.figures.common.spread import Spread, spread_columns
from frontier.scoring.latency import tpot_s


class Tpot(Spread):
    """The time that each token takes once the first is there."""

    place = 50
    prefix = "tpot"
    definition = (
        "time per output token after the first, (latency - TTFT) / (tokens - 1); where the first "
        "arrived together with others, after those"
    )
    columns = spread_columns(prefix, definition)
    per_request = PerRequest("tpot_s", "Time per further token", tpot_s)
    headings = (heading("TPOT", "tpot_p50_s", words.seconds),)
