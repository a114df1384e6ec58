"""What a quantization cost and gained against its native model, paired on the same requests."""

from __future__ import annotations

import numpy as np
import polars as pl

from frontier.statistics import Estimate, bootstrap

RESAMPLES = 1000


def paired(native: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    """The requests that both cells have: score and latency_s, and those of `other` as *_right."""
    columns = ("id", "score", "latency_s")
    return native.select(columns).join(other.select(columns), on="id", how="inner").sort("id")


def latency_ratio(pairs: pl.DataFrame) -> Estimate:
    """The ratio of the median latencies, other / native, with its paired bootstrap interval."""
    timed = pairs.drop_nulls(("latency_s", "latency_s_right"))
    before, after = timed["latency_s"].to_numpy(), timed["latency_s_right"].to_numpy()
    return bootstrap(
        lambda drawn: np.median(after[drawn], axis=1) / np.median(before[drawn], axis=1),
        timed.height,
        resamples=RESAMPLES,
    )


def score_change(pairs: pl.DataFrame, difference: float, unit_points: float) -> Estimate:
    """`difference`, the change of the score in points, with its paired bootstrap interval.

    The interval is known only where the score is the mean of the requests' scores, so that the
    mean of their differences is `difference`; a corpus metric such as chrF2 is no such mean.
    """
    scored = pairs.drop_nulls(("score", "score_right"))
    change = (scored["score_right"] - scored["score"]).to_numpy() * unit_points
    if scored.height == 0 or abs(float(change.mean()) - difference) > 1e-6 * unit_points:
        return Estimate(difference, None, None, "none: not the mean of the requests' scores")
    return bootstrap(lambda drawn: change[drawn].mean(axis=1), len(change), resamples=RESAMPLES)
