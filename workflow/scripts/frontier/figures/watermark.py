"""The traces of a watermark in the answers."""

from __future__ import annotations

from typing import Any

from frontier import words
from frontier.figures import Figure, Heading, Measured, Needs, Values
from frontier.results.columns import Column, StudyRow, with_interval
from frontier.stats.intervals import wilson


def _heading(row: StudyRow) -> str:
    """The share of green tokens, and the probability of as many by chance."""
    if row["green_share"] is None:
        return words.MISSING
    return f"{words.percent(row['green_share'])} ({words.p_value(row['watermark_p'])})"


class Watermark(Figure):
    """Whether a watermark can be found, which one that changed nothing cannot."""

    ORDER = 215
    NEEDS = Needs.ANSWERS
    COLUMNS = (
        *with_interval(
            "green_share",
            "fraction of the tested tokens",
            "tokens of the answers that belong to the watermark's green list, by transformers' "
            "detector; equal answers, and the same tokens again within one, count once",
        ),
        Column(
            "green_expected", "number", "fraction of the tested tokens",
            "the share of green tokens in a text without the watermark",
        ),
        Column(
            "watermark_p", "number", "probability",
            "that a text without the watermark has as many green tokens (binomial): a watermark "
            "is usually called found below 0.001; one that left no trace in the answers has any",
        ),
    )  # fmt: skip
    HEADINGS = (Heading("Green tokens", _heading),)

    def values(self, measured: Measured) -> Values:
        """The share over distinct answers, since equal ones are one trace; none without any."""
        from scipy.special import bdtrc  # half a second, and planning reads the figures

        block = measured.measurement.technique("watermark")
        if block is None:
            return {}
        traces = {one.text: one.watermark for one in measured.records if one.watermark}
        green, tested = (sum(one[part] for one in traces.values()) for part in (0, 1))
        if not tested:
            return {}
        ratio: Any = block["greenlist_ratio"]
        return {
            "green_share": wilson(green, tested),
            "green_expected": ratio,
            "watermark_p": float(bdtrc(green - 1, tested, ratio)),
        }
