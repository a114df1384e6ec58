"""The tables of one task on one device: all cells, and the changes by each quantization."""

from __future__ import annotations

from dataclasses import dataclass

from frontier import figures, words
from frontier.figures import Heading
from frontier.report.deciding.findings import Group, score_figure
from frontier.report.naming import Naming
from frontier.report.writing.filters import of_row
from frontier.report.writing.tables import Box
from frontier.results.columns import StudyRow
from frontier.text import visible


def headings() -> list[Heading]:
    """The figures that the table shows of each cell."""
    return [heading for figure in figures.in_order() for heading in figure.HEADINGS]


@dataclass(frozen=True)
class CellRow:
    """One cell of the study as the table of all cells shows it."""

    classes: str
    variant: str
    device: str
    outcome: str
    adopted: bool
    reason: str
    score: str
    change: Box
    p_holm: str
    facts: list[str]


def _score_cell(row: StudyRow) -> str:
    if row["score"] is not None:
        return score_figure(row)
    if row.get("unscored_answers"):
        return words.UNSCORED
    return words.RANDOM if row["random_weights"] else words.MISSING


def cell_rows(group: Group, naming: Naming) -> list[CellRow]:
    """Every cell of a group with its outcome and figures, and its change against native."""
    changes = {row["variant"]: row for row in group.comparisons}
    facts = headings()
    return [
        CellRow(
            of_row(row, naming),
            naming.variant(row["variant"]),
            naming.devices.label(row["device"]),
            row["outcome"],
            row["adopted"] is not None,
            visible(row["reason"]),
            _score_cell(row),
            change_box(changes.get(row["variant"])),
            p_text(changes.get(row["variant"])),
            [fact.text(row) for fact in facts],
        )
        for row in group.rows
    ]


def change_box(change: StudyRow | None) -> Box:
    """The change of a score in points with its interval, from a row of comparisons.parquet."""
    if change is None or change["difference"] is None:
        return Box(words.MISSING)
    ends = words.signed_interval(change["difference_low"], change["difference_high"])
    return Box(words.signed(change["difference"]), ends)


def p_text(change: StudyRow | None) -> str:
    """The p-value of a comparison after Holm's correction."""
    if change is None or change["p_holm"] is None:
        return words.MISSING
    return words.p_value(change["p_holm"]).removeprefix("p ").removeprefix("= ")


@dataclass(frozen=True)
class Change:
    """The changes by one quantization on one task and device."""

    variant: str
    score: Box
    lost: str
    gained: str
    flips: Box
    changed: str
    divergence: Box
    p_holm: str
    latency: Box
    weights: str

    @property
    def diverges(self) -> bool:
        """Whether a divergence is known."""
        return self.divergence.text != words.MISSING


def changes(group: Group, naming: Naming) -> list[Change]:
    """The changes by each quantization of a group against its native model."""

    def number(value: int | None) -> str:
        return words.MISSING if value is None else str(value)

    return [
        Change(
            naming.variant(row["variant"]),
            change_box(row),
            number(row["lost"]),
            number(row["gained"]),
            flips_box(row),
            f"{row['changed']} of {row['requests']}",
            divergence_box(row),
            p_text(row),
            ratio_box(row),
            words.ratio(row["bytes_ratio"]),
        )
        for row in group.comparisons
    ]


def flips_box(change: StudyRow) -> Box:
    """The share of answers that are right with one variant only, with its interval, in percent."""
    if change["flips"] is None:
        return Box(words.MISSING)
    ends = [
        None if change[f"flips_{end}"] is None else 100 * change[f"flips_{end}"]
        for end in ("low", "high")
    ]
    return Box(f"{100 * change['flips']:.1f} %", words.interval(ends, places=1))


def divergence_box(change: StudyRow) -> Box:
    """The divergence of choices' probabilities with its interval, in nats."""
    if change["kl_divergence"] is None:
        return Box(words.MISSING)
    ends = (change["kl_divergence_low"], change["kl_divergence_high"])
    return Box(words.significant(change["kl_divergence"]), words.interval(ends))


def ratio_box(change: StudyRow) -> Box:
    """The ratio of latencies with its interval, from a row of comparisons.parquet.

    Of throughputs, of which more is better, where no request has a latency of its own.
    """
    if change["simulated"]:
        return Box(words.SIMULATED)
    if change["latency_ratio"] is None and (rate := change["throughput_ratio"]) is not None:
        ends = words.interval((change["throughput_ratio_low"], change["throughput_ratio_high"]))
        return Box(f"{words.ratio(rate)} requests/s", ends)
    ends = words.interval((change["latency_ratio_low"], change["latency_ratio_high"]))
    return Box(words.ratio(change["latency_ratio"]), ends)
