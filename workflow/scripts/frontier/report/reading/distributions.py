"""The latency distributions of cells, from their requests: five quantiles of each figure."""

from __future__ import annotations

import polars as pl

QUANTILES = {"p5": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95}
FEWEST = 20  # with fewer, the 5 % quantile is the smallest value for any distribution


def quantiles(requests: pl.DataFrame, figure: str) -> dict[str, float] | None:
    """The quantiles of one figure over the requests, in seconds; None for too few requests."""
    values = requests[figure].drop_nulls()
    if values.len() < FEWEST:
        return None
    pairs = ((name, values.quantile(q, "linear")) for name, q in QUANTILES.items())
    return {name: value for name, value in pairs if value is not None}
