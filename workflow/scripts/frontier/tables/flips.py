"""Changes that precede one of the score: flipped answers, and the choices' divergence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from frontier.results.columns import LOGPROBS
from frontier.stats.bootstrap import ratio
from frontier.stats.intervals import Estimate, wilson
from frontier.stats.jackknife import LOG, jackknife
from frontier.stats.serial import Floats


def flips(native: Floats, other: Floats) -> dict[str, float | None]:
    """The columns on answers that were right and are wrong, and the other way round.

    A credit that equally likely choices share is lost if it has become smaller. The two kinds can
    cancel each other out in a score, so their sum says more about what a quantization changed.
    Source: Dutta et al., "Accuracy is not all you need" (NeurIPS 2024).
    """
    lost, gained = int((other < native).sum()), int((other > native).sum())
    share = wilson(lost + gained, len(native))
    own = {"flips": share.value, "flips_low": share.low, "flips_high": share.high}
    return {"lost": lost, "gained": gained, **own}


def divergence(pairs: pl.DataFrame) -> dict[str, float | None]:
    """The mean Kullback-Leibler divergence of the choices' probabilities, with its interval.

    Over the requests whose likelihoods are numbers in both; the most sensitive sign of a change, as
    it moves before any answer does. None of texts that were generated.
    """
    if LOGPROBS not in pairs.columns or f"{LOGPROBS}_right" not in pairs.columns:
        return {}
    both = pairs.select(LOGPROBS, f"{LOGPROBS}_right").drop_nulls().rows()
    each = [kl_divergence(one, other) for one, other in both if None not in (*one, *other)]
    found = mean_divergence(np.array(each))
    return {
        "kl_divergence": found.value,
        "kl_divergence_low": found.low,
        "kl_divergence_high": found.high,
    }


def mean_divergence(each: Floats) -> Estimate:
    """The mean of divergences, of shape (requests,).

    They are positive and long-tailed, which a bootstrap of fewer than 100 requests underestimates:
    it holds the truth in 84 to 92 % of studies of 20 requests, this method in 90 to 96 %.
    """
    return jackknife(ratio, np.column_stack([each, np.ones(len(each))]), scale=LOG).estimate


def kl_divergence(native: Sequence[float], other: Sequence[float]) -> float:
    """KL(native || other) in nats of two lists of ln p, each normalised to a sum of 1."""
    p, q = (np.array(one) - np.logaddexp.reduce(one) for one in (native, other))
    return max(0.0, float((np.exp(p) * (p - q)).sum()))
