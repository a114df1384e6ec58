"""Two cells compared on the same requests: their scores and their latencies."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from frontier import scenarios
from frontier.errors import UserError
from frontier.results import layout
from frontier.results.cell import CellResult, Estimate, Metric
from frontier.results.columns import BETTER, LOGPROBS, NO_DIFFERENCE, SIGNIFICANT, WORSE
from frontier.results.key import Key
from frontier.results.outputs import read_requests
from frontier.scorers import PROPORTION, CorpusScorer, Difference, MeanScorer, Scorer, rough
from frontier.scoring import counted
from frontier.stats.bootstrap import ratio
from frontier.stats.jackknife import Tested, jackknife
from frontier.stats.serial import Floats
from frontier.stats.significance import mcnemar_mid_p, paired_difference, paired_ratio
from frontier.tables.flips import flips

GENERATED = ("measured", "invalid")  # outcomes with answers; only the first has times
QUESTION = "question"
"""The column with the question that several requests share."""
COLUMNS = ["id", "score", "latency_s", "tokens", "prediction", "reference"]


@dataclass(frozen=True)
class ComparedCell:
    """The parts of a cell's JSON needed to pair cells before any requests are read."""

    path: Path
    names: Key
    timed: bool
    """Whether its requests have latencies of their own."""
    throughput: Estimate | None
    """Requests per second, where they were asked at once."""
    simulated: bool
    weights_bytes: int | None
    metric: str | None
    score: Metric | None  # the primary metric
    scorer: Scorer | None


def side_of(path: Path, cell: CellResult) -> ComparedCell:
    """The parts of a cell that are compared. Raises UserError for an unknown scorer."""
    score = cell.score
    try:
        scorer = score.scorer.plugin() if score else None
    except ValueError as fault:
        raise UserError(f"{path}: score.scorer: {fault}; score it again") from None
    simulated = bool(cell.simulated)
    weights_bytes = cell.figures.get("weights_bytes")
    latencies = scenarios.load(cell.cell.scenario).LATENCIES
    rate = cell.figures.get("requests_per_s")
    generates = scorer is None or scorer.ASKS == "generate"
    return ComparedCell(
        path,
        cell.cell,
        cell.outcome == "measured" and not simulated and latencies and generates,
        rate if isinstance(rate, Estimate) and not latencies else None,
        simulated,
        weights_bytes if isinstance(weights_bytes, int) else None,
        score.primary if score else None,
        score.metrics[score.primary] if score else None,
        scorer,
    )


def join_requests(native: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    """The requests that both cells have, in order of time; `other`'s columns end in _right.

    All variants are asked the same sample, in the same order.
    """
    return native.join(other, on="id", how="inner", maintain_order="left")


def latency_ratio(pairs: pl.DataFrame) -> Tested:
    """The median of the per-request latency ratios, other / native.

    The part explained by different lengths of the answers is not the machine's.
    """
    pairs = pairs.filter(pl.all_horizontal(pl.col("latency_s", "latency_s_right") > 0))
    before, after = (pairs[name].to_numpy() for name in ("latency_s", "latency_s_right"))
    tokens = [pairs[name].to_numpy() for name in ("tokens", "tokens_right")]
    return paired_ratio(before, after, tokens)


def throughput_ratio(native: Estimate, other: Estimate) -> dict[str, float | None]:
    """The columns on the ratio of two throughputs, other / native.

    Its interval is that of a difference of independent logarithms.
    """
    if not native.value or not other.value:
        return {}
    row: dict[str, float | None] = {"throughput_ratio": other.value / native.value}
    if native.low and native.high and other.low and other.high:
        halves = [math.log(one.high / one.low) / 2 for one in (native, other)]  # type: ignore[operator]
        spread = math.exp(math.hypot(*halves))
        ratio = other.value / native.value
        row |= {"throughput_ratio_low": ratio / spread, "throughput_ratio_high": ratio * spread}
    return row


def against(base: ComparedCell, side: ComparedCell, pairs: pl.DataFrame) -> dict[str, Any]:
    """The scores of a cell against another one's, those of `base` under `base_score`."""
    compared = {"requests": pairs.height} | scores(base, side, pairs)
    compared["base_score"] = compared.pop("native_score", None)
    return compared


def requests_of(side: ComparedCell) -> pl.DataFrame:
    """A cell's requests, with `counts` for a corpus metric unless an earlier release wrote them.

    Raises UserError for counts that do not match the requests.
    """
    path = layout.requests_of(side.path)
    if not isinstance(side.scorer, CorpusScorer):
        return read_requests(path, COLUMNS, also=(QUESTION, LOGPROBS))
    requests = read_requests(path, COLUMNS, also=(counted.COLUMN,))
    if counted.COLUMN not in requests.columns:
        return requests.with_columns(pl.lit(None).alias(counted.COLUMN))
    try:
        counts = counted.checked(requests, side.scorer)
    except ValueError as error:
        raise UserError(f"{path}: {error}; score it again") from None
    return requests.with_columns(pl.Series(counted.COLUMN, counts))


def _counts(pairs: pl.DataFrame, end: str, scorer: CorpusScorer) -> Floats:
    """Each request's contribution to a corpus metric, as stored or counted here."""
    stored = pairs[f"{counted.COLUMN}{end}"]
    if stored.dtype != pl.Null:
        known: Floats = stored.to_numpy()
        return known
    return counted.of_texts(pairs, scorer, f"prediction{end}")


def _by_question(pairs: pl.DataFrame) -> Difference:
    """The change of a mean score where several requests share a question, which are drawn."""
    change = (pl.col("score_right") - pl.col("score")).mean()
    means = pairs.group_by(QUESTION, maintain_order=True).agg(change.alias("change"))
    each = means["change"].to_numpy()
    estimate, p = jackknife(ratio, np.column_stack([each, np.ones(len(each))]))
    found = rough(estimate, int(np.count_nonzero(each)))
    return Difference(found, p, "paired jackknife t over questions")


def _by_flips(native: Floats, other: Floats) -> Difference:
    """The change of a proportion by its flips."""
    n, lost, gained = len(native), int((other < native).sum()), int((other > native).sum())
    p = mcnemar_mid_p(lost, gained) if n else None
    return Difference(paired_difference(lost, gained, n), p, "mid-p McNemar")


def scores(native: ComparedCell, other: ComparedCell, pairs: pl.DataFrame) -> dict[str, Any]:
    """The columns on the score; none if a cell has no score, or had another scorer."""
    if (
        native.score is None
        or other.score is None
        or native.scorer != other.scorer
        or pairs.height == 0
    ):
        return {}
    unit = other.score.unit
    row: dict[str, Any] = {"score_metric": other.metric, "score_unit": unit}
    row |= {"native_score": native.score.value, "score": other.score.value}
    if isinstance(other.scorer, CorpusScorer):
        before, after = (_counts(pairs, end, other.scorer) for end in ("", "_right"))
        found = other.scorer.difference(before, after)
        row["requests"] = pairs.height
    elif QUESTION in pairs.columns:
        scored = pairs.drop_nulls(("score", "score_right"))
        found = _by_question(scored)
        row["requests"] = scored.height
    else:
        scored = pairs.drop_nulls(("score", "score_right"))
        before, after = (scored[name].to_numpy() for name in ("score", "score_right"))
        row["requests"] = scored.height
        verdicts = other.scorer is None or other.scorer.verdicts()
        row |= flips(before, after) if verdicts else {}
        whole = np.isin([before, after], (0, 1)).all()
        if isinstance(other.scorer, MeanScorer) and not (verdicts and whole):
            found = other.scorer.difference(before, after)
        else:
            found = _by_flips(before, after)
    points = 100 if unit == PROPORTION else 1
    for end in ("value", "low", "high"):
        figure = getattr(found.estimate, end)
        name = "difference" if end == "value" else f"difference_{end}"
        row[name] = None if figure is None else figure * points
    return row | {
        "difference_method": found.estimate.method,
        "p": found.p,
        "p_method": None if found.p is None else found.p_method,
    }


def verdict(
    change: float | None, p_holm: float | None, less: str = WORSE, more: str = BETTER
) -> str | None:
    """The verdict of a corrected test on a change: `less` below 0, `more` above."""
    if change is None or p_holm is None:
        return None
    if p_holm >= SIGNIFICANT:
        return NO_DIFFERENCE
    return less if change < 0 else more
