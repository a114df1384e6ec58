"""The latency distributions of cells, from their requests: five quantiles of each figure."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from frontier.errors import UserError

# column of the requests -> what it is called
FIGURES = {
    "ttft_s": "Time to first token",
    "tpot_s": "Time per further token",
    "latency_s": "End to end",
}
QUANTILES = {"p5": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95}
FEWEST = 20  # below it a 5 % quantile is the smallest value, whatever the distribution


def read_requests(path: Path, columns: list[str]) -> pl.DataFrame:
    """Some columns of a cell's requests. Raises UserError naming the file and what it lacks."""
    try:
        return pl.read_parquet(path, columns=columns)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file (it lies beside the cell's JSON)") from None
    except (pl.exceptions.PolarsError, OSError) as error:
        raise UserError(f"{path}: not the requests of a cell: {error}") from None


def quantiles(requests: pl.DataFrame, figure: str) -> dict[str, float] | None:
    """The quantiles of one figure over the requests, in seconds; None for too few requests."""
    values = requests[figure].drop_nulls()
    if values.len() < FEWEST:
        return None
    pairs = ((name, values.quantile(q, "linear")) for name, q in QUANTILES.items())
    return {name: value for name, value in pairs if value is not None}
