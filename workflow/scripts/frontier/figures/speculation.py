"""The tokens of a step, and the share of drafted tokens that were accepted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from frontier import words
from frontier.figures import Figure, Heading, Measured, Needs, Values
from frontier.results.columns import Column, StudyRow, with_interval
from frontier.results.records import Record
from frontier.scoring.latency import over
from frontier.stats.intervals import Estimate
from frontier.stats.jackknife import LOG, jackknife, logit_up_to
from frontier.stats.serial import Floats


class Speculation(Figure):
    """Speculative decoding: a step of the model verifies several drafted tokens at once.

    Ratios of totals over the requests whose engine reports its drafts, or only those that it
    accepted (OpenVINO GenAI). An accepted token is one that the answer has: one behind the answer's
    end was drafted in vain.
    """

    ORDER = 74
    NEEDS = Needs.ANSWERS
    COLUMNS = (
        *with_interval(
            "tokens_per_step",
            "tokens",
            "generated tokens over the steps of the model in which they were verified; those of "
            "a server that reports its drafts, whose chunks are no steps, are as many as its "
            "tokens without the accepted ones",
        ),
        *with_interval(
            "accepted_share",
            "fraction of the drafted tokens",
            "drafted tokens that the answers have over all drafted tokens",
        ),
        Column(
            "drafted_tokens", "count", "tokens",
            "tokens that were drafted for all requests; missing: none are, or the engine does not "
            "report them",
        ),
    )  # fmt: skip
    HEADINGS = (Heading("Drafts", lambda row: _shown(row)),)

    def values(self, measured: Measured) -> Values:
        """The ratios; none without drafts that are reported."""
        known = [one for one in measured.records if one.drafted_tokens is not None]
        found = _shares(known)
        here = [one for one in measured.records if one.accepted_tokens is not None]
        if here:
            found["tokens_per_step"] = _per_step(here, bool(measured.measurement.servers))
        return found


def _shares(records: Sequence[Record]) -> dict[str, Estimate | int | None]:
    """The number of drafted tokens, and the share that was accepted; nothing if none reports it."""
    if not records:
        return {}
    drafted = [one.drafted_tokens or 0 for one in records]
    found: dict[str, Estimate | int | None] = {"drafted_tokens": sum(drafted)}
    if any(drafted):
        counts = np.column_stack([[one.accepted_tokens or 0 for one in records], drafted])
        found["accepted_share"] = jackknife(_ratio, counts, scale=logit_up_to(1)).estimate
    return found


def _per_step(records: Sequence[Record], served: bool) -> Estimate | None:
    """The tokens of a step: those of one arrive together, but for a server's.

    Each step has one token that was not drafted.
    """
    if served:
        steps = [one.tokens and max(1, one.tokens - (one.accepted_tokens or 0)) for one in records]
    else:
        steps = [len(one.arrivals) for one in records]
    if not any(steps):
        return None
    counts = np.column_stack([[one.tokens for one in records], steps])
    return jackknife(_ratio, counts, scale=LOG).estimate


def _ratio(totals: Floats) -> Floats:
    """The first column over the second; not a number where there is nothing."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return over(totals)


def _shown(row: StudyRow) -> str:
    """The figures in one cell of a table."""
    drafted, per_step, share = (
        row[name] for name in ("drafted_tokens", "tokens_per_step", "accepted_share")
    )
    if drafted is None:
        return words.MISSING if per_step is None else f"{words.number(per_step)} tokens/step"
    accepted = "none drafted" if share is None else f"{words.percent(share)} of {drafted} accepted"
    return accepted if per_step is None else f"{words.number(per_step)} tokens/step; {accepted}"
