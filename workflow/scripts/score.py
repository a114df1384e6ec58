"""Score one cell: the quality of its timed generations, and their latencies.

Needs no device and runs no model. A cell that was left out gets only its outcome and reason.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

sys.path.insert(0, str(Path(__file__).parent))  # PYTHONSAFEPATH leaves it out

from frontier import figures, scenarios
from frontier.errors import UserError, run
from frontier.figures import Measured, Needs
from frontier.gates import Timing, first_reason
from frontier.host import locks
from frontier.host.files import write_bytes
from frontier.judging import games
from frontier.judging.asking import Inquiry
from frontier.judging.reading import Said
from frontier.results import checksums, layout, measurement
from frontier.results.cell import CellResult
from frontier.results.columns import LOGPROBS
from frontier.results.loads import at_once, loads
from frontier.results.measurement import Measurement
from frontier.results.records import Record, read
from frontier.scorers import CHOSEN, Score, ScoredItem
from frontier.scoring import counted, effects, judged, latency, load
from frontier.scoring.provenance import provenance
from frontier.scoring.rows import asked_rows, scored_items
from frontier.specs.score import LeftOutSpec, ScoreSpec
from frontier.values import checked_spec, read_json, read_lines, sha256

GAMES = pl.List(pl.Struct({"other": pl.String, "first": pl.Float64, "second": pl.Float64}))
MISSING = ("simulated", "random_weights", "score", "load", "provenance", "requests_sha256")


def scored(
    spec: ScoreSpec, items: list[ScoredItem], asked: list[Inquiry], said: dict[str, Said]
) -> tuple[dict[str, Any], Score]:
    """The cell's score, and the scorer's result. Raises UserError for what it cannot score."""
    if spec.scorer.REFERENCES == "one":
        several = next((item.id for item in items if item.also_accepted), None)
        if several is not None:
            kind = CHOSEN.registry.name_of(type(spec.scorer))
            raise UserError(f"request {several}: has several references; {kind} takes one")
    found = spec.scorer.score_judged(items, asked, said) if asked else spec.scorer.score(items)
    metrics = {name: asdict(metric) for name, metric in found.metrics.items()}
    summary = {
        "primary": spec.scorer.primary(),
        "requests": len(items),
        "metrics": metrics,
        "details": found.details,
        "scorer": CHOSEN.write(spec.scorer),
        "unavailable": spec.scorer.unavailable(),
    }
    return summary, found


def table(
    measured: Measurement,
    records: list[Record],
    items: list[ScoredItem],
    own: list[dict[str, Any]],
    has_times: bool,
) -> pl.DataFrame:
    """A row per request, in order of time: its times, its cache at the end, its answer, the
    scorer's columns.

    A simulated cell has no times, since those measured are of other arithmetic, nor one whose
    requests were not timed by themselves.
    """
    times = figures.per_request()
    likelihoods = any(record.chosen for record in records)
    several = any(item.also_accepted for item in items)
    judged = any(games.COLUMN in columns for columns in own)
    requests = pl.DataFrame(
        [
            {
                "id": record.id,
                "tokens": record.tokens,
                "prompt_tokens": record.prompt_tokens,
                "kv_cache_bytes": measured.cache_bytes(
                    record.prompt_tokens + record.tokens, record.tokens
                ),
                "finish_reason": record.finish_reason,
                **{time.column: time.of(record) for time in times},
                "input": next(iter(item.fields.values()), ""),
                "prediction": item.prediction,
                "reference": item.reference,
                **({"question": item.question} if item.question else {}),
                **({counted.OTHERS: list(item.also_accepted)} if several else {}),
                **columns,
            }
            for record, item, columns in zip(records, items, own, strict=True)
        ],
        infer_schema_length=None,
        schema_overrides={
            **dict.fromkeys((*(time.column for time in times), "score"), pl.Float64),
            "kv_cache_bytes": pl.Int64,
            **({LOGPROBS: pl.List(pl.Float64)} if likelihoods else {}),
            **({games.COLUMN: GAMES} if judged else {}),
        },
    )
    if has_times:
        return requests
    return requests.with_columns(pl.lit(None, pl.Float64).alias(time.column) for time in times)


def outcome(name: str, reason: str | None) -> dict[str, Any]:
    """A cell's summary with an outcome and without figures, which are null."""
    return {
        "outcome": name,
        "reason": reason,
        "figures": figures.values(None),
        **dict.fromkeys(MISSING),
    }


def cell(spec: ScoreSpec, inputs: argparse.Namespace) -> tuple[dict[str, Any], pl.DataFrame]:
    """The cell's summary and its table of requests. Raises UserError for altered files."""
    measured = measurement.read(inputs.measurement)
    wanted = spec.identity and spec.identity.inputs.get("measurement")
    if wanted and wanted != (measured.identity and measured.identity.digest):
        raise UserError(
            f"{inputs.measurement}: belongs to another cell, or to another version of this one"
        )
    if sha256(inputs.requests) != measured.requests_sha256:
        raise UserError(f"{inputs.requests}: not the file that was measured (its sha256 differs)")
    if sha256(inputs.sample) != measured.sample_sha256:
        raise UserError(f"{inputs.sample}: not the sample that was measured (its sha256 differs)")
    result = outcome(measured.outcome, measured.reason)
    result["requests_sha256"] = measured.requests_sha256
    result["provenance"] = provenance(measured)
    every = latency.in_order(read(inputs.requests))
    result |= effects.without(measured, every)
    if result["outcome"] != "measured":
        result["figures"] = figures.values(Measured(measured, spec))
        return result, pl.DataFrame()
    records, at_rates = at_once(every), loads(every)
    rows = asked_rows(read_lines(inputs.sample), measured)
    if rows.keys() != {record.id for record in records}:
        raise UserError(f"{inputs.requests}: not the requests of {inputs.sample}")
    ordered = [rows[record.id] for record in records]
    asked = measured.template, measured.choices, measured.follow_ups
    items = scored_items(records, ordered, *asked)
    result |= {"simulated": measured.simulated, "random_weights": measured.random_weights}
    # Never a score where nothing was learned; never a latency where the weights are not the ones
    # that would be read.
    own: list[dict[str, Any]] = [{"score": None}] * len(items)
    found: Score | None = None
    if not result["random_weights"]:
        result["score"], found = scored(
            spec,
            items,
            *judged.read_judged(inputs.judging, inputs.said, inputs.asked, inputs.pairs),
        )
        own = found.requests
    has, latencies = Needs.ANSWERS, scenarios.load(spec.cell.scenario).LATENCIES
    under_load = None
    if not result["simulated"]:
        device = spec.device
        most = device.max_background_cores, spec.max_failed
        if at_rates:
            under_load = load.summary(measured, records, at_rates, most[0], device.max_slowed)
            reason = load.reason(under_load)
            result["load"] = under_load.model_dump(mode="json")
        else:
            timing = Timing.of(
                measured,
                records,
                *most,
                latencies=latencies,
                max_drift=device.max_drift,
                max_slowed=device.max_slowed,
                percentile=device.percentile,
            )
            reason = first_reason(timing)
            if reason and measured.times_asked > 1:
                reason = f"{reason}; measured {measured.times_asked} times"
        if reason:
            result |= {"outcome": "invalid", "reason": reason}
        else:
            has = Needs.LATENCIES if latencies else Needs.TIMES
    answered = [record for record in records if record.failure is None]
    failed = [record for record in records if record.failure is not None]
    chosen = [record for record in answered if record.chosen]
    generated = [record for record in answered if not record.chosen]
    lock = inputs.sample.with_name(locks.NAME)
    of = read_json(lock).get("of") if lock.exists() else None
    cut = sum("cut" in row for row in rows.values())
    given = Measured(measured, spec, generated, failed, under_load, found, cut, chosen, of)
    result["figures"] = figures.values(given, has)
    return result, table(measured, records, items, own, latencies and not result["simulated"])


def main() -> None:
    """Reads the arguments, scores, writes the cell and its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spec", required=True, help="the cell's specification: JSON, or a file")
    parser.add_argument("--requests", type=Path, help="requests.jsonl")
    parser.add_argument("--measurement", type=Path, help="measurement.json")
    parser.add_argument("--sample", type=Path, help="sample.jsonl, for the references")
    parser.add_argument("--judging", type=Path, help="the measurement.json of the judge")
    parser.add_argument("--said", type=Path, help="the requests.jsonl of the judge")
    parser.add_argument("--asked", type=Path, help="the sample.jsonl of the judge")
    parser.add_argument("--pairs", type=Path, help="pairs.jsonl: the answers of each request")
    parser.add_argument("--cell", required=True, type=Path, help="the cell's JSON to write")
    parser.add_argument("--table", required=True, type=Path, help="the requests' Parquet to write")
    arguments = parser.parse_args()
    spec: ScoreSpec | LeftOutSpec
    if arguments.measurement is None:
        spec = checked_spec(arguments.spec, LeftOutSpec)
        result, requests = outcome(spec.outcome, spec.reason), pl.DataFrame()
    else:
        spec = checked_spec(arguments.spec, ScoreSpec)
        result, requests = cell(spec, arguments)
    # Through memory: on a full disk Polars' own writer raises an error that is not an OSError.
    parquet = io.BytesIO()
    requests.write_parquet(parquet)
    write_bytes(arguments.table, parquet.getvalue())
    result["table_sha256"] = hashlib.sha256(parquet.getvalue()).hexdigest()
    names = spec.cell.model_dump(mode="json")
    written = CellResult.of({"layout": layout.VERSION, "cell": names, **result}).model_dump(
        mode="json", exclude={"identity"}
    )
    identity = spec.identity and spec.identity.model_dump(mode="json")
    checksums.write(arguments.cell, {**written, "identity": identity})
    if arguments.requests:
        # Deleted only here, so that a run killed since measuring repeats no request.
        for asked in filter(None, (arguments.requests, arguments.said)):
            asked.with_name(layout.JOURNAL).unlink(missing_ok=True)


if __name__ == "__main__":
    run(main)
