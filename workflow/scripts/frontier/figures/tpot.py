"""Time per output token."""

from __future__ import annotations

from frontier import words
from frontier.figures import PerRequest, heading
from frontier.figures.common.spread import Spread, spread_columns
from frontier.results.times import tpot_s


class Tpot(Spread):
    """The time per token after the first one."""

    ORDER = 50
    PREFIX = "tpot"
    DEFINITION = (
        "time per output token after the first, (latency - TTFT) / (tokens - 1); where the first "
        "arrived together with others, after those"
    )
    COLUMNS = spread_columns(PREFIX, DEFINITION)
    PER_REQUEST = PerRequest("tpot_s", "Time per further token", tpot_s)
    HEADINGS = (heading("TPOT", "tpot_p50_s", words.seconds),)
