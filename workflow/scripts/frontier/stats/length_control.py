"""Win rates as they would be if both models' answers were equally long.

A logistic regression of the preference on the model (theta), on the answers' difference in length
(phi) and, where it is known, on the instruction's difficulty (psi):

    q = sigma(theta + phi * tanh(difference / its standard deviation) + psi * difficulty)

The rate is the mean of sigma(theta + psi * difficulty). Source: Dubois et al., "Length-Controlled
AlpacaEval" (2024). Only with its own table of difficulties and its rows of a baseline that was
asked for concise and verbose answers is it AlpacaEval's figure: the rows keep phi from taking what
is the model's. Without them short answers come out too high, so that the figure has another name.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from frontier.stats.intervals import CONFIDENCE, Estimate, percent
from frontier.stats.jackknife import FEWEST
from frontier.stats.serial import Floats

CONTROLLED, ADJUSTED = "length_controlled_win_rate", "length_adjusted_win_rate"
"""The figure's names: with AlpacaEval's tables, and without them."""
STRENGTHS = tuple(10 ** float(power) for power in np.linspace(-4, 4, 10))
"""The inverse strengths of the penalty that are tried, weakest last."""
WEAK = 1000.0
"""The inverse strength without the tables: what the penalty shrinks is the rate itself then."""
FOLDS = 5
FEWEST_KNOWN, FEWEST_OF_EACH = 30, 5.0
"""The questions, and the wins or losses (a tie is half of each), with fewer of which there is no
interval: it would hold less often than it promises (bench/coverage.py).
"""
BASELINE_WEIGHT = 0.1
STEPS, CLOSE = 100, 1e-9
WELL = 1e10
"""The condition of a matrix up to which its equations are solved directly."""


@dataclass(frozen=True)
class BaselineRows:
    """The baseline against itself, asked for concise or verbose answers."""

    preferences: Floats
    differences: Floats
    """Characters of the usual answer minus those of the other one."""
    difficulties: Floats


@dataclass(frozen=True)
class LengthControlled:
    """The rate, and the regression's coefficients: of the model, the length, the difficulty."""

    name: str
    estimate: Estimate
    coefficients: tuple[float, ...]
    inverse_strength: float


def logistic(
    features: Floats,
    shares: Floats,
    weights: Floats,
    inverse_strength: float,
    start: Floats | None = None,
) -> Floats:
    """The coefficients w that minimise C * weighted log loss of shares in [0, 1] + |w|, L1.

    By Newton's method, each quadratic approximation solved by coordinate descent. Source: Friedman,
    Hastie & Tibshirani, "Regularization paths for generalized linear models", J. Stat. Softw. 33
    (2010). No intercept. A share of q weighs as q times a 1 and 1 - q times a 0.
    `start`: coefficients that are close, for speed.
    """
    found: Floats = np.zeros(features.shape[1]) if start is None else start.copy()
    scale = inverse_strength * weights
    value = _objective(features, shares, scale, found)
    for _ in range(STEPS):
        chances = _sigma(features @ found)
        gradient = features.T @ (scale * (chances - shares))
        curved = features.T @ (features * (scale * chances * (1 - chances))[:, np.newaxis])
        step = _penalised_step(gradient, curved, found)
        size = 1.0
        while size > CLOSE and _objective(features, shares, scale, found + size * step) > value:
            size /= 2
        found = found + size * step
        previous, value = value, _objective(features, shares, scale, found)
        if previous - value <= CLOSE * max(1.0, abs(value)) * 1e-3:
            break
    return found


def _sigma(values: Floats) -> Floats:
    found: Floats = 0.5 + np.tanh(values / 2) / 2
    return found


def _objective(features: Floats, shares: Floats, scale: Floats, at: Floats) -> float:
    logits = features @ at
    losses = np.logaddexp(0, logits) - shares * logits
    return float(scale @ losses + np.abs(at).sum())


def _penalised_step(gradient: Floats, curved: Floats, at: Floats) -> Floats:
    """The step that minimises the quadratic approximation plus the penalty.

    At once where no coefficient is 0 or changes its sign, else by coordinate descent, which takes
    long where two features hardly differ.
    """
    signs = np.sign(at)
    if signs.all() and np.linalg.cond(curved) < WELL:
        at_once: Floats = np.linalg.solve(curved, -(gradient + signs)).astype(np.float64)
        if (np.sign(at + at_once) == signs).all():
            return at_once
    step: Floats = np.zeros(len(at))
    diagonal = np.maximum(np.diag(curved), 1e-12)
    for _ in range(STEPS):
        largest = 0.0
        for place, curve in enumerate(diagonal):
            slope = gradient[place] + curved[place] @ step - curve * step[place]
            wished = at[place] - slope / curve
            moved = np.sign(wished) * max(abs(wished) - 1 / curve, 0.0) - at[place]
            largest = max(largest, abs(moved - step[place]))
            step[place] = moved
        if largest < CLOSE:
            break
    return step


def length_controlled(
    preferences: ArrayLike,
    differences: ArrayLike,
    *,
    difficulties: ArrayLike | None = None,
    baseline: BaselineRows | None = None,
    confidence: float = CONFIDENCE,
) -> LengthControlled:
    """The length-controlled rate of one model, one preference a question.

    `differences`: characters of the baseline's answer minus those of the model's. The interval is
    the jackknife's over questions on the logit scale, at the penalty of the rate itself:
    AlpacaEval's, which cross-validation chooses, or a weak one that only keeps the coefficients
    finite.
    """
    shares = np.asarray(preferences, dtype=np.float64)
    lengths = np.asarray(differences, dtype=np.float64)
    hard = None if difficulties is None else np.asarray(difficulties, dtype=np.float64)
    name = CONTROLLED if hard is not None and baseline is not None else ADJUSTED
    n = len(shares)
    if n < FEWEST or (lengths == lengths[0]).all():
        what = f"fewer than {FEWEST} questions" if n < FEWEST else "all differ alike in length"
        return LengthControlled(name, Estimate(None, None, None, f"no rate: {what}"), (), np.nan)
    own = _features(np.ones(n), lengths, hard)
    features, targets = own, shares
    weights = np.ones(n)
    if baseline is not None:
        more = len(baseline.preferences)
        rows = None if hard is None else baseline.difficulties
        added = _features(np.zeros(more), baseline.differences, rows)
        features, targets = np.vstack([own, added]), np.append(shares, baseline.preferences)
        weights = np.append(weights, np.full(more, BASELINE_WEIGHT))
    chosen = WEAK if name == ADJUSTED else _chosen_strength(features, targets, weights)
    found = logistic(features, targets, weights, chosen)
    rate = _rate(own, found, np.ones(n))
    fewest = float(min(shares.sum(), n - shares.sum()))
    if n < FEWEST_KNOWN:
        reason = f"no interval: fewer than {FEWEST_KNOWN} questions"
        estimate = Estimate(rate, None, None, reason)
    elif fewest < FEWEST_OF_EACH:
        reason = f"no interval: fewer than {FEWEST_OF_EACH:g} wins or losses"
        estimate = Estimate(rate, None, None, reason)
    else:
        without = []
        for left_out in range(n):
            counts: Floats = np.ones(len(weights))
            counts[left_out] = 0
            fitted = logistic(features, targets, weights * counts, chosen, found)
            without.append(_rate(own, fitted, counts[:n]))
        estimate = _interval(rate, np.array(without), confidence)
    return LengthControlled(name, estimate, tuple(map(float, found)), chosen)


def _interval(rate: float, without: Floats, confidence: float) -> Estimate:
    """The rate with its interval by the rates without each of the questions.

    Source: Miller, "The jackknife: a review", Biometrika 61 (1974).
    """
    from scipy.special import expit, logit, stdtrit  # half a second, and planning reads the scorers

    n = len(without)
    with np.errstate(invalid="ignore"):  # a rate of 1 without one of them
        logits = logit(without)
        error = float(np.sqrt((n - 1) / n * ((logits - logits.mean()) ** 2).sum()))
    if not np.isfinite(error):
        return Estimate(rate, None, None, "no interval: it depends on a single question")
    half = float(stdtrit(n - 2, 0.5 + confidence / 2)) * error
    low, high = (float(expit(logit(rate) + side * half)) for side in (-1, 1))
    method = f"jackknife t over questions on the logit scale, {percent(confidence)}"
    return Estimate(rate, low, high, method)


def _features(model: Floats, differences: Floats, difficulties: Floats | None) -> Floats:
    columns = [model, np.tanh(differences / differences.std(ddof=1))]
    if difficulties is not None:
        columns.append(difficulties)
    return np.column_stack(columns)


def _rate(own: Floats, coefficients: Floats, counts: Floats) -> float:
    """The mean preference for answers of the same length."""
    same = own.copy()
    same[:, 1] = 0
    return float(np.average(_sigma(same @ coefficients), weights=counts))


def _chosen_strength(features: Floats, shares: Floats, weights: Floats) -> float:
    """The inverse strength with the least loss on the left-out fifths; a row is in one of them."""
    folds = np.arange(len(shares)) % FOLDS
    losses = []
    for strength in STRENGTHS:
        loss = 0.0
        for fold in range(FOLDS):
            train, test = folds != fold, folds == fold
            found = logistic(features[train], shares[train], weights[train], strength)
            loss += _objective(features[test], shares[test], weights[test], found)
            loss -= float(np.abs(found).sum())
        losses.append(loss)
    return STRENGTHS[int(np.argmin(losses))]
