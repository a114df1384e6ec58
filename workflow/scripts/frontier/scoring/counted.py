"""Each request's contribution to a corpus metric, counted by `score` and stored with the answer."""

from __future__ import annotations

import numpy as np
import polars as pl

from frontier.scorers import CorpusScorer, ScoredItem
from frontier.stats.serial import Floats

COLUMN = "counts"
OTHERS = "also_accepted"
"""The column of further references, of tables that have some."""
TYPE = pl.List(pl.Int64())
ROUNDING = 1e-9  # of a score, whose last digit depends on the order of summation


def checked(requests: pl.DataFrame, scorer: CorpusScorer) -> Floats:
    """The stored counts, of shape (requests, WIDTH), which give each request's `score`.

    Raises ValueError with the reason for invalid ones.
    """
    column = requests[COLUMN]
    if column.dtype != TYPE:
        raise ValueError(f"column {COLUMN} is {column.dtype}, not {TYPE}")
    numbers = column.explode()
    if (column.list.len() != scorer.WIDTH).any() or column.has_nulls() or numbers.has_nulls():
        raise ValueError(f"column {COLUMN} does not have {scorer.WIDTH} counts for each request")
    counts = numbers.to_numpy().reshape(-1, scorer.WIDTH).astype(np.float64)
    scores = requests["score"].cast(pl.Float64).to_numpy()
    if not np.allclose(scorer.each(counts), scores, rtol=0, atol=ROUNDING):
        raise ValueError(f"column {COLUMN} does not match the scores next to it")
    return counts


def of_texts(
    requests: pl.DataFrame, scorer: CorpusScorer, prediction: str = "prediction"
) -> Floats:
    """The counts of the requests' texts, of shape (requests, WIDTH)."""
    others = requests[OTHERS].to_list() if OTHERS in requests.columns else [()] * requests.height
    rows = requests.select("id", prediction, "reference").iter_rows()
    return scorer.count(
        [
            ScoredItem(id_, text, reference, {}, also_accepted=tuple(further or ()))
            for (id_, text, reference), further in zip(rows, others, strict=True)
        ]
    )
