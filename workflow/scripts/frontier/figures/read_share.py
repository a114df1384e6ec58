"""The share of the weights that a token needs, of experts or of neurons."""

from __future__ import annotations

from frontier import words
from frontier.figures import Figure, Heading, Measured, Needs, Values
from frontier.figures.common import throughput, utilization
from frontier.results.columns import Column, StudyRow
from frontier.results.times import drafts


class ReadShare(Figure):
    """The share that a mixture of experts or contextual sparsity leaves to be read.

    Of experts: their bytes, as stored. Of neurons: the parameters of the whole model, in which
    those of a predictor are missing; it chooses no better than the oracle that was measured.
    """

    ORDER = 14
    NEEDS = Needs.ANSWERS
    COLUMNS = (
        Column(
            "read_share", "number", "fraction of the weights",
            "weights that a token needs: bytes for a mixture of experts, parameters under "
            "contextual sparsity (without a predictor's); missing: all of them, or not known",
        ),
        Column(
            "experts", "text", "",
            "the experts of a layer that compute for a token, and how mbu counts their bytes; "
            "missing: the model has none",
        ),
    )  # fmt: skip
    HEADINGS = (Heading("Weights read", lambda row: _shown(row)),)

    def values(self, measured: Measured) -> Values:
        """The share, and the experts in words."""
        measurement, experts = measured.measurement, measured.measurement.experts
        if experts is None:
            return {"read_share": measurement.read_share}
        share = None
        weights, known = measurement.weights_bytes, not measurement.simulated
        if known and experts.resting_bytes is not None and weights and not drafts(measured.records):
            share = 1 - experts.resting_bytes / weights
        return {"read_share": share, "experts": _words(measured)}


def _words(measured: Measured) -> str:
    """The experts, and the bound by which their bytes count."""
    experts = measured.measurement.experts
    assert experts
    used = f"{experts.used} of {experts.count} in a layer"
    if experts.count is None or experts.used is None:
        used = "unknown"
    if utilization.weights_of_a_step(measured) is None:
        return f"{used}; mbu is missing: {experts.missing or 'the bytes are not known'}"
    how = "by names of tensors" if experts.bytes is not None else "by the catalogue's parameters"
    most = throughput.at_once(measured.records)
    if most <= 1:
        return f"{used}; mbu counts these, {how}"
    return (
        f"{used}; mbu counts these, {how}: the least of a step, which served up to {most} requests"
    )


def _shown(row: StudyRow) -> str:
    """The share in a table's cell."""
    return words.MISSING if row["read_share"] is None else words.percent(row["read_share"])
