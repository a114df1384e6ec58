"""What each request adds to a corpus metric: counted by `score`, stored beside the answer."""

from __future__ import annotations

import numpy as np
import polars as pl

from frontier.scorers import Answer, Corpus
from frontier.stats.serial import Floats

COLUMN = "counts"
TYPE = pl.List(pl.Int64())
ROUNDING = 1e-9  # of a score: added up in another order, it differs in its last digit


def checked(requests: pl.DataFrame, corpus: Corpus) -> Floats:
    """The stored counts, of shape (requests, width), which give each request's `score`.

    Raises ValueError, saying what is wrong, for any others.
    """
    column = requests[COLUMN]
    if column.dtype != TYPE:
        raise ValueError(f"column {COLUMN} is {column.dtype}, not {TYPE}")
    numbers = column.explode()
    if (column.list.len() != corpus.width).any() or column.has_nulls() or numbers.has_nulls():
        raise ValueError(f"column {COLUMN} has not {corpus.width} counts for each request")
    counts = numbers.to_numpy().reshape(-1, corpus.width).astype(np.float64)
    scores = requests["score"].cast(pl.Float64).to_numpy()
    if not np.allclose(corpus.score(counts), scores, rtol=0, atol=ROUNDING):
        raise ValueError(f"column {COLUMN} does not give the scores that stand beside it")
    return counts


def of_texts(requests: pl.DataFrame, corpus: Corpus, prediction: str = "prediction") -> Floats:
    """The counts of the requests' texts, of shape (requests, width)."""
    rows = requests.select("id", prediction, "reference").iter_rows()
    return corpus.count([Answer(id_, text, reference, {}) for id_, text, reference in rows])
