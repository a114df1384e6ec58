"""Requests whose answer was right with one variant and wrong with another."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import polars as pl

from frontier.results.outputs import read_requests
from frontier.text import visible

EACH = 3
"""Requests shown of those lost, and of those gained."""
LONGEST = 600
COLUMNS = ("id", "input", "reference", "prediction", "score")


class Flip(NamedTuple):
    """One request, the same for both, as text."""

    kind: str
    """lost, gained, worse or better."""
    id: str
    asked: str
    expected: str
    before: str
    now: str


def flips(native: Path, here: Path) -> list[Flip]:
    """The requests with the greatest changes of their score, some of either direction.

    Of equal changes the first of the sample; the paths are of the two cells' requests.
    """
    both = (
        read_requests(native, COLUMNS)
        .join(read_requests(here, ("id", "prediction", "score")), on="id", suffix="_now")
        .with_columns((pl.col("score_now") - pl.col("score")).alias("change"))
        .filter(pl.col("change").is_not_null(), pl.col("change") != 0)
    )
    lost = both.filter(pl.col("change") < 0).sort("change", maintain_order=True)
    gained = both.filter(pl.col("change") > 0).sort("change", descending=True, maintain_order=True)
    return [_flip(row) for part in (lost, gained) for row in part.head(EACH).iter_rows(named=True)]


def _flip(row: dict[str, object]) -> Flip:
    whole = abs(float(row["change"])) == 1  # type: ignore[arg-type]
    down = float(row["change"]) < 0  # type: ignore[arg-type]
    kind = ("lost" if down else "gained") if whole else ("worse" if down else "better")
    texts = (row[name] for name in ("input", "reference", "prediction", "prediction_now"))
    shown = (visible(None if text is None else str(text), LONGEST) for text in texts)
    return Flip(kind, visible(str(row["id"]), 80), *shown)
