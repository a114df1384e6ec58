"""The tables of one task on one device: every cell, and what each quantization changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from frontier import words
from frontier.report.deciding.entries import StudyRow
from frontier.report.deciding.findings import P50, Group
from frontier.report.deciding.pareto import points_per_unit
from frontier.report.naming import Naming
from frontier.report.writing.filters import of_row
from frontier.report.writing.tables import RANDOM, SIMULATED, Box
from frontier.text import visible


def _number(row: StudyRow, name: str, digits: int = 3) -> str:
    value = row[name]
    return words.MISSING if value is None else words.significant(value, digits)


def _requests(row: StudyRow) -> str:
    """How many there were, and in how many processes, if several."""
    if row["requests"] is None:
        return words.MISSING
    several = row["sessions"] is not None and row["sessions"] > 1
    return f"{row['requests']} in {row['sessions']} sessions" if several else str(row["requests"])


# heading -> how a row of the study fills it
FACTS: Mapping[str, Callable[[StudyRow], str]] = {
    "Weights": lambda row: words.size(row["weights_bytes"]),
    "Load": lambda row: words.seconds(row["load_s"]),
    "Median": lambda row: SIMULATED if row["simulated"] else words.seconds(row[P50]),
    "TTFT": lambda row: words.seconds(row["ttft_p50_s"]),
    "TPOT": lambda row: words.seconds(row["tpot_p50_s"]),
    "p90": lambda row: words.seconds(row["latency_p90_s"]),
    "p99": lambda row: words.seconds(row["latency_p99_s"]),
    "Tokens/s": lambda row: _number(row, "output_tokens_per_s"),
    "MBU": lambda row: words.MISSING if row["mbu"] is None else words.percent(row["mbu"]),
    "Host peak": lambda row: words.size(row["host_peak_bytes"]),
    "Device peak": lambda row: words.size(row["device_peak_bytes"]),
    "Cost of 1,000": lambda row: _number(row, "cost_per_1000_requests"),
    "Requests": _requests,
}


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
    if row["score"] is None:
        return RANDOM if row["random_weights"] else words.MISSING
    factor = points_per_unit(row["score_unit"])
    return words.score(row["score"] * factor, proportion=factor != 1)


def cell_rows(group: Group, naming: Naming) -> list[CellRow]:
    """Every cell of a group with its outcome and figures, and its change against native."""
    changes = {row["variant"]: row for row in group.comparisons}
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
            [fact(row) for fact in FACTS.values()],
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
    """What one quantization changed on one task and device."""

    variant: str
    score: Box
    lost: str
    gained: str
    changed: str
    p_holm: str
    latency: Box
    weights: str


def changes(group: Group, naming: Naming) -> list[Change]:
    """What each quantization of a group changed against its native model."""

    def number(value: int | None) -> str:
        return words.MISSING if value is None else str(value)

    return [
        Change(
            naming.variant(row["variant"]),
            change_box(row),
            number(row["lost"]),
            number(row["gained"]),
            f"{row['changed']} of {row['requests']}",
            p_text(row),
            _ratio_box(row),
            words.ratio(row["bytes_ratio"]),
        )
        for row in group.comparisons
    ]


def _ratio_box(change: StudyRow) -> Box:
    if change["simulated"]:
        return Box(SIMULATED)
    ends = words.interval((change["latency_ratio_low"], change["latency_ratio_high"]))
    return Box(words.ratio(change["latency_ratio"]), ends)
