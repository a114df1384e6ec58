"""Comparison of each quantized variant with its native one, on the same requests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from frontier.errors import UserError
from frontier.results.cell import CellResult, Metric, read_cell
from frontier.results.columns import (
    BETTER,
    COMPARISONS,
    FASTER,
    KEY,
    NO_DIFFERENCE,
    SIGNIFICANT,
    SLOWER,
    WORSE,
)
from frontier.results.key import Key
from frontier.results.layout import requests_of
from frontier.results.outputs import read_requests, schema
from frontier.scorers import PROPORTION, CorpusScorer, Difference, Scorer
from frontier.scoring import counted
from frontier.stats.jackknife import Tested
from frontier.stats.serial import Floats
from frontier.stats.significance import holm, mcnemar_mid_p, paired_difference, paired_ratio
from frontier.tables.study import named

GENERATED = ("measured", "invalid")  # outcomes with answers; only the first has times
COLUMNS = ["id", "score", "latency_s", "tokens", "prediction", "reference"]


@dataclass(frozen=True)
class ComparedCell:
    """The parts of a cell's JSON needed to pair cells before any requests are read."""

    path: Path
    names: Key
    timed: bool
    simulated: bool
    weights_bytes: int | None
    metric: str | None
    score: Metric | None  # the primary metric
    scorer: Scorer | None


def _side(path: Path, cell: CellResult) -> ComparedCell:
    score = cell.score
    try:
        scorer = score.scorer.plugin() if score else None
    except ValueError as fault:
        raise UserError(f"{path}: score.scorer: {fault}; score it again") from None
    simulated = bool(cell.simulated)
    weights_bytes = cell.figures.get("weights_bytes")
    return ComparedCell(
        path,
        cell.cell,
        cell.outcome == "measured" and not simulated,
        simulated,
        weights_bytes if isinstance(weights_bytes, int) else None,
        score.primary if score else None,
        score.metrics[score.primary] if score else None,
        scorer,
    )


def pair_with_native(paths: Iterable[Path]) -> list[tuple[ComparedCell, ComparedCell]]:
    """Each variant with generations and its native one in the same place; pairs of one in a row.

    Raises UserError for a file that is not a cell.
    """
    natives: dict[tuple[str, str, str, str], ComparedCell] = {}
    others: list[ComparedCell] = []
    for path in paths:
        cell = read_cell(path)
        if cell.outcome not in GENERATED:
            continue
        side = _side(path, cell)
        if not side.names.native:
            others.append(side)
            continue
        place = _place(side)
        # Others are compared with the model's own variant, or with another native one if that is
        # missing.
        if place not in natives or side.names.variant == side.names.model:
            natives[place] = side
    others.sort(key=lambda side: (*_place(side), side.names.variant))
    return [(natives[_place(side)], side) for side in others if _place(side) in natives]


def _place(side: ComparedCell) -> tuple[str, str, str, str]:
    return side.names.task, side.names.scenario, side.names.device, side.names.model


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


def _requests(side: ComparedCell) -> pl.DataFrame:
    """A cell's requests, with `counts` for a corpus metric unless an earlier release wrote them.

    Raises UserError for counts that do not match the requests.
    """
    path = requests_of(side.path)
    if not isinstance(side.scorer, CorpusScorer):
        return read_requests(path, COLUMNS)
    requests = read_requests(path, COLUMNS, also=counted.COLUMN)
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


def _flips(pairs: pl.DataFrame) -> tuple[Difference, dict[str, int]]:
    """The change of a proportion over scored pairs, and its flips."""
    before, after = (pairs[name] == 1 for name in ("score", "score_right"))
    lost, gained = int((before & ~after).sum()), int((after & ~before).sum())
    p = mcnemar_mid_p(lost, gained) if pairs.height else None
    change = paired_difference(lost, gained, pairs.height)
    return Difference(change, p, "mid-p McNemar"), {"lost": lost, "gained": gained}


def _scores(native: ComparedCell, other: ComparedCell, pairs: pl.DataFrame) -> dict[str, Any]:
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
    else:
        scored = pairs.drop_nulls(("score", "score_right"))
        found, flips = _flips(scored)
        row |= {"requests": scored.height, **flips}
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


def _row(native: ComparedCell, other: ComparedCell, pairs: pl.DataFrame) -> dict[str, Any]:
    """One comparison, without the columns that need all of them."""
    row: dict[str, Any] = named(other.names)
    row |= {
        "native_variant": native.names.variant,
        "simulated": other.simulated,
        "requests": pairs.height,
        "changed": int((pairs["prediction"] != pairs["prediction_right"]).sum()),
        "native_bytes": native.weights_bytes,
        "bytes": other.weights_bytes,
        **_scores(native, other, pairs),
    }
    if native.timed and other.timed:
        ratio, p = latency_ratio(pairs)
        row |= {"latency_ratio": ratio.value, "latency_ratio_low": ratio.low}
        row |= {"latency_ratio_high": ratio.high, "latency_p": p, "latency_method": ratio.method}
    if native.weights_bytes and other.weights_bytes:
        row["bytes_ratio"] = other.weights_bytes / native.weights_bytes
    return row


def rows(paths: Iterable[Path]) -> Iterator[dict[str, Any]]:
    """All comparisons among the cells; holds two cells' requests in memory at a time."""
    latest: tuple[Path, pl.DataFrame] | None = None
    for native, other in pair_with_native(paths):
        if latest is None or latest[0] != native.path:
            latest = native.path, _requests(native)
        yield _row(native, other, join_requests(latest[1], _requests(other)))


def verdict(
    change: float | None, p_holm: float | None, less: str = WORSE, more: str = BETTER
) -> str | None:
    """The verdict of a corrected test on a change: `less` below 0, `more` above."""
    if change is None or p_holm is None:
        return None
    if p_holm >= SIGNIFICANT:
        return NO_DIFFERENCE
    return less if change < 0 else more


def corrected(found: list[dict[str, Any]]) -> None:
    """Adds Holm's corrections and the verdicts: a study's scores are a family, its times another.

    They answer two questions, on quality and on speed, each at its own 5 %.
    """
    for row, p_holm in zip(found, holm([row.get("p") for row in found]), strict=True):
        row["p_holm"] = p_holm
        row["verdict"] = verdict(row.get("difference"), p_holm)
    for row, p_holm in zip(found, holm([row.get("latency_p") for row in found]), strict=True):
        row["latency_p_holm"] = p_holm
        ratio = row.get("latency_ratio")
        change = None if ratio is None else ratio - 1
        row["latency_verdict"] = verdict(change, p_holm, FASTER, SLOWER)


def table(paths: Iterable[Path]) -> pl.DataFrame:
    """All comparisons of a study, sorted by KEY; time linear in the cells.

    Raises UserError for a file that is not a cell, or has no requests next to it.
    """
    found = list(rows(paths))
    corrected(found)
    return pl.DataFrame(found, schema=schema(COMPARISONS)).sort(KEY)
