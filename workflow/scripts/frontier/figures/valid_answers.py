"""The share of answers that fit the constraint with which they were generated."""

from __future__ import annotations

from frontier import words
from frontier.figures import Figure, Measured, Needs, Values, heading
from frontier.results.columns import with_interval
from frontier.stats.intervals import wilson
from frontier.techniques.common.fitting import fits


class ValidAnswers(Figure):
    """Answers of guided decoding that fit: all that the limit of tokens did not cut off."""

    ORDER = 212
    NEEDS = Needs.ANSWERS
    COLUMNS = with_interval(
        "valid_answers",
        "fraction",
        "answers that fit the JSON schema, regular expression or grammar of guided decoding; the "
        "others are cut off; missing without it (the json scorer's metric `valid` is always known)",
    )
    HEADINGS = (heading("Valid", "valid_answers", words.percent),)

    def values(self, measured: Measured) -> Values:
        """The share, with Wilson's interval; none without guided decoding."""
        block = measured.measurement.technique("guided")
        if block is None:
            return {}
        fit = fits(block)
        valid = [fit(one.text) for one in measured.records]
        return {"valid_answers": wilson(sum(valid), len(valid))}
