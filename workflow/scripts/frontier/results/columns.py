"""The columns of the study and its comparisons except figures: name, type, unit and meaning.

The schemas of study.parquet and comparisons.parquet and the report's glossary come from here and
from frontier/figures/.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

OUTCOMES = {
    "measured": "ran to the end; its figures are published",
    "does-not-fit": "planned out: weights, cache and margin exceed the device's memory",
    "out-of-memory": "tried, and the memory of the device, or of a scheduler's job, ran out",
    "out-of-time": "tried, and not finished in the time that a scheduler gave, the last time too",
    "unsupported": "this engine cannot run this variant, or its way to run changed nothing",
    "invalid": "ran, but a check on the measurement failed; no timing is published",
}


StudyRow = Mapping[str, Any]
"""A row of the study's table, by its columns."""

Kind = Literal["text", "number", "count", "flag"]
"""The types of values; results/outputs.py has their types in tables."""


@dataclass(frozen=True)
class Column:
    """A column: its name carries the unit, `unit` spells it out."""

    name: str
    kind: Kind
    unit: str
    description: str
    interval_of: str | None = None  # the column whose interval has this end


@dataclass(frozen=True)
class MetricNote:
    """A scorer's metric: its unit and its interval's method."""

    unit: str
    method: str


ENDS = {
    "low": "lower end of the 95 % interval",
    "high": "upper end of the 95 % interval",
}


def _text(name: str, description: str) -> Column:
    return Column(name, "text", "", description)


def with_interval(name: str, unit: str, description: str) -> tuple[Column, ...]:
    """A column of numbers and the two for the ends of its interval."""
    return (
        Column(name, "number", unit, description),
        *(
            Column(f"{name}_{end}", "number", unit, f"{words} of {name}", interval_of=name)
            for end, words in ENDS.items()
        ),
    )


LOGPROBS = "logprobs"
"""The column of a cell's requests with ln p of each choice, in the order of its task or row."""

COLUMNS: tuple[Column, ...] = (
    _text("variant", "a model, a quantization and techniques"),
    _text("model", "the checkpoint at its native precision"),
    _text("quantization", "the quantization of the checkpoint; native: none"),
    _text("techniques", "the techniques with which it runs, joined by +; missing: none"),
    Column("native", "flag", "", "true where the variant is the model as published"),
    _text("device", "hardware and the engine on it"),
    _text("task", "a dataset's sample, a prompt, decoding limits and a scorer"),
    _text("scenario", "how requests arrive, by MLPerf's names; single-stream: one at a time"),
    _text("outcome", "; ".join(f"{name}: {words}" for name, words in OUTCOMES.items())),
    _text("reason", "why the outcome is not 'measured'"),
    _text(
        "adopted",
        "why a measurement by earlier code or packages counts as current; missing: it is by these",
    ),
    Column(
        "simulated", "flag", "",
        "true where weights were only rounded or set to zero: a score, but no latency of its own",
    ),
    Column("random_weights", "flag", "", "true where nothing was learned: latency, but no score"),
    _text("score_metric", "the metric by which variants are compared on this task"),
    _text("score_unit", "unit of score"),
    *with_interval("score", "see score_unit", "value of the metric named in score_metric"),
)  # fmt: skip
"""A cell's names, outcome and score; frontier/figures/ has the other columns."""

NAMES = ("variant", "model", "quantization", "techniques", "device", "task", "scenario")
"""The columns of a cell's key (frontier/results/key.py)."""

WORSE, BETTER, SLOWER, FASTER = "worse", "better", "slower", "faster"
NO_DIFFERENCE = "no significant difference"
SIGNIFICANT = 0.05

REFERENCE: tuple[Column, ...] = (
    _text("reference_variant", "the study's reference, which this variant is compared with too"),
    _text("reference_device", "the device of the reference's cell: this one's, or the first"),
    _text(
        "reference_outcome",
        "outcome of the reference's cell; missing: it has none for this task and scenario",
    ),
    Column("reference_requests", "count", "requests", "requests that both have"),
    Column("reference_score", "number", "see score_unit", "score of the reference"),
    *with_interval(
        "reference_difference", "points",
        "score minus reference_score on the paired requests; proportions in percentage points",
    ),
    _text("reference_difference_method", "method of the interval of reference_difference"),
    Column("reference_p", "number", "", "chance of at least such a difference if there were none"),
    Column(
        "reference_p_holm", "number", "",
        "reference_p after Holm's correction for all comparisons with the reference",
    ),
    _text("reference_verdict", "like verdict, of reference_difference"),
    *with_interval(
        "reference_latency_ratio", "×",
        "median over the requests of each one's latency over its latency in the reference's cell",
    ),
)  # fmt: skip
"""The comparison with a study's reference."""

ALONE: tuple[Column, ...] = (
    Column(
        "alone_answers", "count", "answers",
        "answers that this cell and the single-stream cell of the same variant, device and task "
        "have; missing: the study has no such cell, or this is it",
    ),
    Column("alone_changed", "count", "answers", "those of them whose text differs"),
    Column("alone_requests", "count", "requests", "requests that were scored in both"),
    Column("alone_score", "number", "see score_unit", "score of the single-stream cell"),
    *with_interval(
        "alone_difference", "points",
        "score minus alone_score on the paired requests; proportions in percentage points",
    ),
    _text("alone_difference_method", "method of the interval of alone_difference"),
    Column("alone_p", "number", "", "chance of at least such a difference if there were none"),
    Column(
        "alone_p_holm", "number", "",
        "alone_p after Holm's correction for all comparisons with single-stream cells",
    ),
    _text("alone_verdict", "like verdict, of alone_difference"),
)  # fmt: skip
"""The comparison of a cell under load with the same variant asked one request at a time."""

# The changes of each variant against its parent: same device, task and scenario.
COMPARISONS: tuple[Column, ...] = (
    *(column for column in COLUMNS if column.name in (*NAMES, "simulated")),
    _text(
        "parent_variant",
        "the variant with which this one is compared: without its last technique, else the "
        "model's native one; missing: only with the reference",
    ),
    Column("requests", "count", "requests", "requests that both have, scored in both if scored"),
    _text("score_metric", "the metric by which the two are compared"),
    _text("score_unit", "unit of score and native_score"),
    Column("native_score", "number", "see score_unit", "score of parent_variant"),
    Column("score", "number", "see score_unit", "score of this variant"),
    *with_interval(
        "difference", "points",
        "score minus native_score on the paired requests; proportions in percentage points",
    ),
    _text("difference_method", "method of the interval of difference"),
    Column(
        "lost", "count", "answers",
        "right before, wrong now; missing where answers are more than right or wrong, or several "
        "were drawn at random for a question",
    ),
    Column("gained", "count", "answers", "wrong before, right now; missing like lost"),
    *with_interval("flips", "", "lost and gained together, as a share of the requests"),
    Column(
        "changed", "count", "answers",
        "answers whose text differs, right or wrong; of choices: another likeliest one. Where a "
        "technique computes the same in another way, as with drafts, usually because of rounding",
    ),
    *with_interval(
        "kl_divergence", "nats",
        "mean over the requests of KL(parent || this) between the probabilities of the choices, "
        "each normalised to a sum of 1, over those with numbers in both; missing where texts are "
        "generated",
    ),
    Column("p", "number", "", "chance of at least such a difference if there were none"),
    _text(
        "p_method",
        "the test: mid-p McNemar for proportions, jackknife t for corpus metrics and means of "
        "scores",
    ),
    Column("p_holm", "number", "", "p after Holm's correction for all scores of the study"),
    _text(
        "verdict",
        f"{WORSE} or {BETTER} where p_holm is below {SIGNIFICANT:g}, else {NO_DIFFERENCE}, which "
        "is not equality; missing without a test",
    ),
    *with_interval(
        "latency_ratio", "×",
        "median over the requests of each one's latency over its latency in parent_variant",
    ),
    _text("latency_method", "method of the interval of latency_ratio"),
    Column(
        "latency_p", "number", "",
        "chance of so many ratios on one side of 1 if both sides were as likely (sign test)",
    ),
    Column(
        "latency_p_holm", "number", "",
        "latency_p after Holm's correction for all latency ratios of the study",
    ),
    _text(
        "latency_verdict",
        f"{SLOWER} or {FASTER} where latency_p_holm is below {SIGNIFICANT:g}, else "
        f"{NO_DIFFERENCE}; missing without a test",
    ),
    *with_interval(
        "throughput_ratio", "×",
        "requests_per_s over that of parent_variant, where all requests are asked at once",
    ),
    Column("parent_bytes", "count", "bytes", "bytes of the weights of parent_variant as stored"),
    Column("bytes", "count", "bytes", "bytes of this variant's weights as stored"),
    Column("bytes_ratio", "number", "×", "bytes over parent_bytes"),
    *REFERENCE,
    *ALONE,
)  # fmt: skip

KEY = ("task", "scenario", "device", "variant")
"""The columns that identify a cell, in the order of the tables' rows."""


def names(columns: Iterable[Column]) -> list[str]:
    """The columns' names."""
    return [column.name for column in columns]


def metric_columns(metrics: Mapping[str, MetricNote]) -> list[Column]:
    """The columns of the metrics in the study, sorted by name."""
    return [
        column
        for name, note in sorted(metrics.items())
        for column in with_interval(
            name, note.unit, f"{name}" + (f"; interval: {note.method}" if note.method else "")
        )
    ]
