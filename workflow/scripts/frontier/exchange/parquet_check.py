"""Validation of tables of requests from other machines, in a process that they may crash.

A few wrong bytes in a Parquet file can make its reader allocate more memory than there is, which
ends the process without an exception.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path

import polars as pl

from frontier import figures
from frontier.errors import UserError
from frontier.scorers import CorpusScorer, Scorer
from frontier.scoring import counted

MOST_ROWS = 1_000_000
MOST_TEXT = 1 << 30  # bytes of a table's texts, which compress up to a thousandfold
LARGEST = 1e15  # bound for any number
COUNTS = ("tokens",)
TEXTS = ("id", "input", "prediction", "reference")


def _numbers() -> tuple[str, ...]:
    return ("score", *(time.column for time in figures.per_request()))


def check(scorers: Mapping[Path, Scorer | None]) -> None:
    """Raises UserError, naming the file, unless these are the requests of cells.

    `scorers` are what scored them, by their paths; None where they have no score.
    """
    if not scorers:
        return
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=_hush) as pool:
        for path, scorer in scorers.items():
            try:
                fault = pool.submit(fault_of, path, scorer).result()
            except BrokenProcessPool:
                fault = "reading it crashes the process"
            if fault:
                raise UserError(f"{path}: not the requests of a cell: {fault}")


def _hush() -> None:
    """Silences the terminal: the reader prints where in its code it crashed."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def fault_of(path: Path, scorer: Scorer | None) -> str | None:
    """The error in a table of requests; None if it is valid."""
    try:
        table = pl.scan_parquet(path)
        if fault := _fault(table):
            return fault
        return _miscounted(table, scorer) if isinstance(scorer, CorpusScorer) else None
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        return str(error)


def _fault(table: pl.LazyFrame) -> str | None:
    """Checks the columns' types, the ids and the bounds of all numbers."""
    types, numbers = table.collect_schema(), _numbers()
    columns = dict.fromkeys(numbers, pl.Float64()) | dict.fromkeys(COUNTS, pl.Int64())
    for name, wanted in (columns | dict.fromkeys(TEXTS, pl.String())).items():
        if types.get(name) != wanted:
            return f"column {name} is {types.get(name)}, not {wanted}"
    rows = table.select(pl.len()).collect().item()
    if rows > MOST_ROWS:
        return f"{rows} requests are too many"
    texts = [pl.col(name).str.len_bytes().cast(pl.UInt64).sum() for name in TEXTS]
    ids = pl.col("id").drop_nulls().n_unique().alias("ids")
    sound = pl.all_horizontal(pl.col(*numbers, *COUNTS).is_between(0, LARGEST).all()).alias("sound")
    lacking = pl.sum_horizontal(pl.col(*TEXTS, *COUNTS).null_count()).alias("lacking")
    found = table.select(pl.sum_horizontal(texts), ids, lacking, sound).collect()
    size, unique, nulls, fine = found.row(0)
    if size > MOST_TEXT or unique != rows:
        return f"{size} bytes of text, {unique} ids for {rows} requests"
    if nulls:
        return f"{nulls} texts or numbers of tokens are missing"
    return None if fine else "a time, a count or a score is negative or not a number"


def _miscounted(table: pl.LazyFrame, scorer: CorpusScorer) -> str | None:
    """Checks that the counts of a corpus metric, if any, match the texts."""
    types = table.collect_schema()
    if counted.COLUMN not in types:  # as in earlier releases; counted when compared
        return None
    if types[counted.COLUMN] != counted.TYPE:
        return f"column {counted.COLUMN} is {types[counted.COLUMN]}, not {counted.TYPE}"
    widths = pl.col(counted.COLUMN).list.len()
    if table.select(widths.max()).collect().item() not in (None, scorer.WIDTH):
        return f"column {counted.COLUMN} does not have {scorer.WIDTH} counts for each request"
    names = ["id", "prediction", "reference", "score", counted.COLUMN]
    if types.get(counted.OTHERS) == pl.List(pl.String()):
        names.append(counted.OTHERS)
    requests = table.select(names).collect()
    try:
        counts = counted.checked(requests, scorer)
    except ValueError as error:
        return str(error)
    wrong = (counts != counted.of_texts(requests, scorer)).any(axis=1)
    return f"column {counted.COLUMN} is not counted from the texts" if wrong.any() else None
