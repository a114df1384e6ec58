"""pass@k: the chance that at least one of k sampled answers to a problem is right."""

from __future__ import annotations

import math
from collections.abc import Sequence

from frontier.stats.bootstrap import bootstrap, mean
from frontier.stats.clustered import clustered_share
from frontier.stats.intervals import Estimate, wilson


def pass_at_k(samples: int, right: int, k: int) -> float:
    """The chance that at least one of k samples is right, of which `right` of `samples` were.

    1 - C(n - c, k) / C(n, k), which is unbiased. Source: Chen et al., "Evaluating Large Language
    Models Trained on Code" (2021), section 2.1. Raises ValueError unless 1 <= k <= n.
    """
    if not 1 <= k <= samples or not 0 <= right <= samples:
        raise ValueError(f"pass@{k} of {right} right ones among {samples}")
    return 1 - math.comb(samples - right, k) / math.comb(samples, k)


def mean_pass_at_k(problems: Sequence[Sequence[float]], k: int) -> Estimate:
    """The mean of pass@k over the problems with at least k samples, each right (1) or wrong (0).

    With one sample each, Wilson's interval; for k = 1 that of clusters, of which each problem is
    one; else a bootstrap over problems.
    """
    enough = [one for one in problems if len(one) >= k]
    if not enough:
        return Estimate(None, None, None, f"none: no problem has {k} samples")
    if all(len(one) == 1 for one in enough):
        return wilson(sum(round(one[0]) for one in enough), len(enough))
    if k > 1:
        each = [[pass_at_k(len(one), round(sum(one)), k)] for one in enough]
        return bootstrap(mean, each)
    if len({len(one) for one in enough}) > 1:  # problems count equally, whatever their samples
        enough = [[sum(one) / len(one)] for one in enough]
    values = [value for one in enough for value in one]
    return clustered_share(values, [number for number, one in enumerate(enough) for _ in one])
