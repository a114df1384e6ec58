"""Time of a request for the likelihoods of choices."""

from __future__ import annotations

from frontier import words
from frontier.figures import Measured, PerRequest, Values, heading
from frontier.figures.common.spread import Spread, spread_columns
from frontier.results.times import latency_s
from frontier.scoring import latency


class Choice(Spread):
    """The time to read a prompt with its choices (prefill), which generates nothing."""

    ORDER = 65
    PREFIX = "choice"
    DEFINITION = (
        "time of a choice: question handed over to the likelihoods of all of its choices, "
        "tokenization included; nothing is generated, so it is neither TTFT nor latency"
    )
    COLUMNS = spread_columns(PREFIX, DEFINITION)
    PER_REQUEST = PerRequest("choice_s", "Choice", latency_s, of_choices=True)
    HEADINGS = (heading("Choice", "choice_p50_s", words.seconds),)

    def values(self, measured: Measured) -> Values:
        """Each statistic with its interval."""
        return self.named(latency.summarize(latency_s, measured.chosen))
