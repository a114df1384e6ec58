"""Every column of the study and its comparisons, once: name, type, unit and what it means.

The schemas of study.parquet and comparisons.parquet and the report's glossary come from here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import polars as pl

OUTCOMES = {
    "measured": "ran to the end; its figures are published",
    "does-not-fit": "planned out: weights, cache and margin exceed the device's memory",
    "out-of-memory": "tried, and the memory of the device, or of a scheduler's job, ran out",
    "out-of-time": "tried, and not finished in the time that a scheduler gave, the last time too",
    "unsupported": "this engine cannot run this variant, or the quantization changed nothing",
    "invalid": "ran, but a check on the measurement failed; no timing is published",
}


@dataclass(frozen=True)
class Column:
    """A column: its name carries the unit, `unit` spells it out."""

    name: str
    dtype: pl.DataType
    unit: str
    description: str
    interval_of: str | None = None  # the column whose interval ends here


@dataclass(frozen=True)
class MetricNote:
    """What a scorer says of one of its metrics: its unit and how its interval is made."""

    unit: str
    method: str


ENDS = {
    "low": "lower end of the 95 % interval",
    "high": "upper end of the 95 % interval",
}


def _text(name: str, description: str) -> Column:
    return Column(name, pl.String(), "", description)


def _with_interval(name: str, unit: str, description: str) -> tuple[Column, ...]:
    return (
        Column(name, pl.Float64(), unit, description),
        *(
            Column(f"{name}_{end}", pl.Float64(), unit, f"{words} of {name}", interval_of=name)
            for end, words in ENDS.items()
        ),
    )


# prefix in the table -> key in the cell's "latency", and what it is
LATENCIES = {
    "latency": (
        "end_to_end_s",
        "end-to-end latency: request handed over to last token's text, tokenization included",
    ),
    "ttft": ("ttft_s", "time to first token: request handed over to first generated token"),
    "tpot": ("tpot_s", "time per output token after the first, (latency - TTFT) / (tokens - 1)"),
    "itl": ("itl_s", "inter-token latency: gap between consecutive tokens"),
}
# statistic -> how it is named in a description
STATISTICS = {
    "p50": "median",
    "p90": "90th percentile",
    "p99": "99th percentile (missing where the sample is too small to know it)",
    "mean": "mean",
}
THROUGHPUTS = {
    "output_tokens_per_s": ("tokens/s", "generated tokens over the time of all requests"),
    "requests_per_s": ("requests/s", "requests over the time of all requests"),
}


def latency_column(prefix: str, statistic: str, end: str = "") -> str:
    """The column of a latency figure, e.g. latency_p50_s or, with end="low", latency_p50_low_s."""
    return "_".join(part for part in (prefix, statistic, end, "s") if part)


def _latency_columns() -> Iterator[Column]:
    for prefix, (_, what) in LATENCIES.items():
        for statistic, named in STATISTICS.items():
            name = latency_column(prefix, statistic)
            yield Column(name, pl.Float64(), "s", f"{named} of the {what}")
            for end, words in ENDS.items():
                ends_at = latency_column(prefix, statistic, end)
                yield Column(ends_at, pl.Float64(), "s", f"{words} of {name}", interval_of=name)


COLUMNS: tuple[Column, ...] = (
    _text("variant", "a model and a quantization"),
    _text("model", "the checkpoint at its native precision"),
    _text("quantization", "how the checkpoint was made smaller; native: it was not"),
    Column("native", pl.Boolean(), "", "true where the variant is the model as published"),
    _text("device", "hardware and the engine on it"),
    _text("task", "a dataset's sample, a prompt, decoding limits and a scorer"),
    _text("outcome", "; ".join(f"{name}: {words}" for name, words in OUTCOMES.items())),
    _text("reason", "why the outcome is not 'measured'"),
    _text(
        "adopted",
        "why a measurement by earlier code or packages counts as current; missing: it is by these",
    ),
    Column(
        "simulated", pl.Boolean(), "",
        "true where weights were only rounded as if quantized: a score, but no latency of its own",
    ),
    Column(
        "random_weights", pl.Boolean(), "", "true where nothing was learned: latency, but no score"
    ),
    Column("requests", pl.Int64(), "requests", "requests that were scored, each timed as well"),
    Column(
        "sessions", pl.Int64(), "processes",
        "that timed these requests: several where one was interrupted, or the sample grew",
    ),
    _text("score_metric", "the metric by which variants are compared on this task"),
    _text("score_unit", "unit of score"),
    *_with_interval("score", "see score_unit", "value of the metric named in score_metric"),
    *_latency_columns(),
    *(
        column
        for name, (unit, description) in THROUGHPUTS.items()
        for column in _with_interval(name, unit, description)
    ),
    Column("load_s", pl.Float64(), "s", "time to load the model, its libraries imported before"),
    Column("weights_bytes", pl.Int64(), "bytes", "bytes of the weights as stored for this variant"),
    Column("host_peak_bytes", pl.Int64(), "bytes", "peak memory of the process on the host"),
    Column(
        "device_peak_bytes", pl.Int64(), "bytes", "peak memory on the device, where it has its own"
    ),
    *_with_interval(
        "mbu", "fraction of the peak",
        "memory bandwidth utilization: (weight bytes + KV-cache bytes) / TPOT / peak bandwidth",
    ),
    *_with_interval(
        "cost_per_1000_requests", "the currency of the device's price",
        "price of the device's time for 1,000 requests one after another",
    ),
    Column("threads", pl.Int64(), "threads", "threads the engine was given"),
    _text("engine", "the code that generated"),
    _text("environment", "the Python environment that it ran in; missing: the workflow's own"),
    _text("kernel", "the code that multiplied with the weights, where the engine tells"),
)  # fmt: skip

WORSE, BETTER, SLOWER, FASTER = "worse", "better", "slower", "faster"
NO_DIFFERENCE = "no significant difference"
SIGNIFICANT = 0.05

# What each quantized variant changed against its native one, on the same device and task.
COMPARISONS: tuple[Column, ...] = (
    *(column for column in COLUMNS if column.name in ("variant", "model", "quantization")),
    *(column for column in COLUMNS if column.name in ("device", "task", "simulated")),
    _text("native_variant", "the model's native variant, which this one is compared with"),
    Column("requests", pl.Int64(), "requests", "requests that both have, scored in both if scored"),
    _text("score_metric", "the metric by which the two are compared"),
    _text("score_unit", "unit of score and native_score"),
    Column("native_score", pl.Float64(), "see score_unit", "score of the native variant"),
    Column("score", pl.Float64(), "see score_unit", "score of this variant"),
    *_with_interval(
        "difference", "points",
        "score minus native_score on the paired requests; proportions in percentage points",
    ),
    _text("difference_method", "how the interval of difference is made"),
    Column("lost", pl.Int64(), "answers", "right before, wrong now; missing for corpus metrics"),
    Column("gained", pl.Int64(), "answers", "wrong before, right now; missing for corpus metrics"),
    Column("changed", pl.Int64(), "answers", "answers whose text differs, right or wrong"),
    Column("p", pl.Float64(), "", "chance of at least such a difference if there were none"),
    _text("p_method", "the test: mid-p McNemar for proportions, jackknife t for corpus metrics"),
    Column("p_holm", pl.Float64(), "", "p after Holm's correction for all scores of the study"),
    _text(
        "verdict",
        f"{WORSE} or {BETTER} where p_holm is below {SIGNIFICANT:g}, else {NO_DIFFERENCE}, which "
        "is not equality; missing without a test",
    ),
    *_with_interval(
        "latency_ratio", "×",
        "median over the requests of each one's latency over its latency in the native variant",
    ),
    _text("latency_method", "how the interval of latency_ratio is made"),
    Column(
        "latency_p", pl.Float64(), "",
        "chance of so many ratios on one side of 1 if both sides were as likely (sign test)",
    ),
    Column(
        "latency_p_holm", pl.Float64(), "",
        "latency_p after Holm's correction for all latency ratios of the study",
    ),
    _text(
        "latency_verdict",
        f"{SLOWER} or {FASTER} where latency_p_holm is below {SIGNIFICANT:g}, else "
        f"{NO_DIFFERENCE}; missing without a test",
    ),
    Column("native_bytes", pl.Int64(), "bytes", "bytes of the native weights as stored"),
    Column("bytes", pl.Int64(), "bytes", "bytes of this variant's weights as stored"),
    Column("bytes_ratio", pl.Float64(), "×", "bytes over native_bytes"),
)  # fmt: skip

KEY = ("task", "device", "variant")


def names(columns: Iterable[Column]) -> list[str]:
    """The columns' names."""
    return [column.name for column in columns]


def metric_columns(metrics: Mapping[str, MetricNote]) -> list[Column]:
    """The columns of the metrics that the study's scorers gave, sorted by name."""
    return [
        column
        for name, note in sorted(metrics.items())
        for column in _with_interval(
            name, note.unit, f"{name}" + (f"; interval: {note.method}" if note.method else "")
        )
    ]
