"""Preferences between two answers: one for both orders of presentation, and win rates of many.

A preference is 1 if the model's answer is better, 0 if the other one is, 0.5 for a tie, and
anything between for a judge whose probabilities are known.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from frontier.stats.bootstrap import ratio
from frontier.stats.clustered import totals
from frontier.stats.jackknife import Tested, jackknife, logit_up_to

WIN, TIE, LOSS = 1.0, 0.5, 0.0


def merged(first: float | None, second: float | None) -> float | None:
    """The preference for a model, of those in both orders: a win only if both name the same one.

    A tie with a win, and two verdicts that disagree, are a tie; None in either order, which is an
    error, leaves the pair out. Source: MT-Bench's pairwise judgements, FastChat's show_result.py;
    Zheng et al., "Judging LLM-as-a-Judge", NeurIPS 2023, section 3.4.
    """
    if first is None or second is None:
        return None
    return first if first == second else TIE


def averaged(first: float | None, second: float | None) -> float | None:
    """The mean of the preferences in both orders, which are probabilities; None without either."""
    if first is None or second is None:
        return None
    return (first + second) / 2


def by_probability(model: float | None, other: float | None) -> float | None:
    """The preference for a model by the logarithms of the probabilities that each is named.

    A token that is not among the most probable ones (None) has probability 0; without either there
    is no preference. AlpacaEval's scale, from 1 to 2, is this plus 1.
    """
    chances = [0.0 if one is None or math.isnan(one) else math.exp(one) for one in (model, other)]
    return chances[0] / sum(chances) if sum(chances) > 0 else None


def win_rate(preferences: ArrayLike, questions: Sequence[Hashable]) -> Tested:
    """The mean preference in [0, 1] with its interval over questions: (wins + ties / 2) / all.

    The interval is the jackknife's on the logit scale, which holds near 0 and 1 where the mean's
    usual error does not. The p-value is that of no difference between both models, a rate of a
    half.
    """
    values = np.asarray(preferences, dtype=np.float64)
    if len(values) and (values.min() < 0 or values.max() > 1):
        raise ValueError("a preference is between 0 and 1")
    found = jackknife(ratio, totals(values, questions), scale=logit_up_to(1.0)).estimate
    return Tested(found, jackknife(ratio, totals(values - TIE, questions)).p)
