"""Figures by the length of prompts, from a cell's requests, where prompts differ enough in length.

Requests whose prompts have like lengths are one part: none is more than WITHIN times as long as the
shortest. Parts with too few requests for a median with an interval are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from frontier.report.deciding.entries import FEWEST, LengthPoint
from frontier.results.outputs import read_requests
from frontier.stats.intervals import Estimate, quantile_interval, wilson
from frontier.stats.serial import Floats

WITHIN = 1.3
RATIO, APART = 2, 100
"""The longest prompts are at least RATIO times as long as the shortest, and APART tokens longer;
between shorter ones, times hardly differ."""
COLUMNS = ("prompt_tokens", "ttft_s", "kv_cache_bytes", "score")


def by_prompt(requests: Mapping[str, Path]) -> dict[str, list[LengthPoint]]:
    """The points of variants whose prompts differ enough in length, by the paths of their cells'
    requests."""
    found = {variant: _points(path) for variant, path in requests.items()}
    return {variant: points for variant, points in found.items() if differ(points)}


def _points(requests: Path) -> list[LengthPoint]:
    """A point for each part of a cell's requests, shortest prompts first."""
    frame = read_requests(requests, (), COLUMNS)
    numbers = [name for name in COLUMNS if name in frame.columns and frame[name].dtype.is_numeric()]
    if "prompt_tokens" not in numbers:
        return []
    known = frame.select(numbers).filter(pl.col("prompt_tokens") > 0).sort("prompt_tokens")
    return [_point(part) for part in _parts(known) if part.height >= FEWEST]


def differ(found: Sequence[LengthPoint]) -> bool:
    """True if the longest prompts are so much longer than the shortest that an axis shows it."""
    if not found:
        return False
    least, most = found[0].tokens, found[-1].tokens
    return most >= RATIO * least and most >= least + APART


def _parts(known: pl.DataFrame) -> Iterator[pl.DataFrame]:
    lengths = known["prompt_tokens"].to_numpy()
    start = 0
    while start < len(lengths):
        end = int(np.searchsorted(lengths, WITHIN * lengths[start], side="right"))
        yield known[start:end]
        start = end


def _point(part: pl.DataFrame) -> LengthPoint:
    times, caches, scores = (_values(part, name) for name in COLUMNS[1:])
    right = scores[scores == 1]
    return LengthPoint(
        float(np.median(part["prompt_tokens"])),
        part.height,
        _median(times),
        float(np.median(caches)) if len(caches) else None,
        wilson(len(right), len(scores)) if len(scores) and np.isin(scores, (0, 1)).all() else None,
    )


def _values(part: pl.DataFrame, name: str) -> Floats:
    """The finite numbers of a column that it may lack."""
    if name not in part.columns:
        return np.array([])
    found = part[name].drop_nulls().to_numpy().astype(np.float64)
    return np.array(found[np.isfinite(found)])


def _median(times: Floats) -> Estimate | None:
    return quantile_interval(times, 0.5) if len(times) else None
