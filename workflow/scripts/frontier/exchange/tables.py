"""Tables of requests from elsewhere, looked at by a process that may die of them.

A few wrong bytes in a Parquet file can make its reader ask for more memory than there is, which no
exception tells: the process ends.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path

import polars as pl

from frontier.errors import UserError

MOST_ROWS = 1_000_000
MOST_TEXT = 1 << 30  # bytes of a table's texts; packed, they can be a thousandth of it
LARGEST = 1e15  # of any number
NUMBERS = ("score", "latency_s", "ttft_s", "tpot_s")
COUNTS = ("tokens",)
TEXTS = ("id", "input", "prediction", "reference")
COLUMNS: dict[str, pl.DataType] = {
    **dict.fromkeys(NUMBERS, pl.Float64()),
    **dict.fromkeys(COUNTS, pl.Int64()),
    **dict.fromkeys(TEXTS, pl.String()),
}


def check(paths: Sequence[Path]) -> None:
    """Raise UserError, naming the file, unless these are the requests of cells."""
    if not paths:
        return
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=_hush) as pool:
        for path in paths:
            try:
                fault = pool.submit(fault_of, path).result()
            except BrokenProcessPool:
                fault = "whoever reads it ends"
            if fault:
                raise UserError(f"{path}: not the requests of a cell: {fault}")


def _hush() -> None:
    """Let nothing be told on the terminal: the reader tells where in its code it ended."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def fault_of(path: Path) -> str | None:
    """What is wrong with a table of requests; None where nothing is."""
    try:
        return _fault(pl.scan_parquet(path))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        return str(error)


def _fault(table: pl.LazyFrame) -> str | None:
    """Columns of the right types, an id a request, and no more of anything than is measured."""
    types = table.collect_schema()
    for name, wanted in COLUMNS.items():
        if types.get(name) != wanted:
            return f"column {name} is {types.get(name)}, not {wanted}"
    rows = table.select(pl.len()).collect().item()
    if rows > MOST_ROWS:
        return f"{rows} requests are too many"
    texts = [pl.col(name).str.len_bytes().cast(pl.UInt64).sum() for name in TEXTS]
    ids = pl.col("id").drop_nulls().n_unique().alias("ids")
    sound = pl.all_horizontal(pl.col(*NUMBERS, *COUNTS).is_between(0, LARGEST).all()).alias("sound")
    size, unique, fine = table.select(pl.sum_horizontal(texts), ids, sound).collect().row(0)
    if size > MOST_TEXT or unique != rows:
        return f"{size} bytes of text, {unique} ids for {rows} requests"
    return None if fine else "a time, a count or a score is negative or no number"
