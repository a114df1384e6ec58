"""Means of values that belong together in clusters, and pass@k over several samples of a problem.

Answers to one question, or the turns of a conversation, are alike: their number overstates what is
known. What is independent are the questions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from frontier.stats.bootstrap import bootstrap, mean
from frontier.stats.intervals import CONFIDENCE, Estimate, percent, wilson

Clusters = Sequence[Sequence[float]]
"""The values of each cluster; none is empty."""


def clustered_error(clusters: Clusters, *, few: bool = True) -> float | None:
    """The standard error of the mean over all values; None with fewer than two clusters.

    The square root of the sum over clusters of the squared sum of deviations, over the number of
    values (CR0); `few`: times the root of C / (C - 1), which allows for few clusters C (CR1).
    Source: Miller, "Adding Error Bars to Evals" (2024), equation 4; Cameron & Miller, "A
    Practitioner's Guide to Cluster-Robust Inference", J. Human Resources 50 (2015).
    """
    count = len(clusters)
    if count < 2:
        return None
    values = np.concatenate([np.asarray(one, dtype=np.float64) for one in clusters])
    sums = [float(np.sum(np.asarray(one) - values.mean())) for one in clusters]
    error = math.sqrt(sum(one**2 for one in sums)) / len(values)
    return error * math.sqrt(count / (count - 1)) if few else error


def clustered_share(clusters: Clusters, confidence: float = CONFIDENCE) -> Estimate:
    """The mean of values in [0, 1], with an interval by the clustered error on the logit scale.

    Student's t with C - 1 degrees of freedom. Where all values are 0, or all 1, Wilson's interval
    of one value for each cluster.
    """
    from scipy.special import expit, logit, stdtrit  # half a second, and planning reads the scorers

    method = f"clustered by question (CR1), t on the logit scale, {percent(confidence)}"
    if not clusters:
        return Estimate(None, None, None, method)
    values = [value for one in clusters for value in one]
    share = sum(values) / len(values)
    if share in (0.0, 1.0):
        found = wilson(round(share * len(clusters)), len(clusters), confidence)
        return replace(found, method=f"{found.method}, of one answer to each question")
    error = clustered_error(clusters)
    if not error:
        return Estimate(share, None, None, "no interval: too few questions, or all alike")
    half = float(stdtrit(len(clusters) - 1, 0.5 + confidence / 2)) * error / (share * (1 - share))
    low, high = (float(expit(logit(share) + side * half)) for side in (-1, 1))
    return Estimate(share, low, high, method)


def pass_at_k(samples: int, right: int, k: int) -> float:
    """The chance that at least one of k samples is right, of which `right` of `samples` were.

    1 - C(n - c, k) / C(n, k), which is unbiased. Source: Chen et al., "Evaluating Large Language
    Models Trained on Code" (2021), section 2.1. Raises ValueError unless 1 <= k <= n.
    """
    if not 1 <= k <= samples or not 0 <= right <= samples:
        raise ValueError(f"pass@{k} of {right} right ones among {samples}")
    return 1 - math.comb(samples - right, k) / math.comb(samples, k)


def mean_pass_at_k(clusters: Clusters, k: int) -> Estimate:
    """The mean of pass@k over the problems with at least k samples, each right (1) or wrong (0).

    For k = 1 clustered, with one sample each Wilson's; else a bootstrap over problems.
    """
    enough = [one for one in clusters if len(one) >= k]
    if not enough:
        return Estimate(None, None, None, f"none: no problem has {k} samples")
    if k == 1 and all(len(one) == 1 for one in enough):
        return wilson(sum(round(one[0]) for one in enough), len(enough))
    if k == 1 and len({len(one) for one in enough}) == 1:
        return clustered_share(enough)
    each = [[pass_at_k(len(one), round(sum(one)), k)] for one in enough]
    if k == 1:  # unequal numbers of samples: problems count equally
        return clustered_share(each)
    return bootstrap(mean, each)
