"""Populations of studies of choices whose truth is known: shares of probability, divergences."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from populations import Condition, Draw, untested

from frontier.scorers import ScoredItem
from frontier.scorers.common import groups
from frontier.stats.bootstrap import bootstrap, mean
from frontier.stats.intervals import Estimate
from frontier.stats.jackknife import Tested
from frontier.tables import flips

CHOICES = 4
MANY = 400_000  # questions, for truths without a formula


def subjects(count: int) -> tuple[np.ndarray, np.ndarray]:
    """The shares of subjects among the questions, and the accuracy in each."""
    places = (np.arange(count) + 0.5) / count
    shares = 1 / (0.1 + places)  # the largest has some ten times the questions of the smallest
    return shares / shares.sum(), 0.25 + 0.7 * places


def by_subject(count: int) -> Draw:
    """The mean over subjects of the accuracy in each; every subject has a question."""
    shares, accuracy = subjects(count)

    def draw(rng: np.random.Generator, n: int) -> Tested:
        more = rng.choice(count, n - count, p=shares)
        subject = np.concatenate([np.arange(count), more])
        right = (rng.random(n) < accuracy[subject]).astype(np.float64)
        items = [ScoredItem("", "", "", {"subject": str(one)}) for one in subject]
        metric = groups.metrics(items, right, "subject", None)[0]["macro_accuracy"]
        return untested(Estimate(metric.value, metric.low, metric.high, metric.method))

    return draw


def masses(rng: np.random.Generator, n: int, spread: float) -> np.ndarray:
    """Shares of probability on the right choices; with a wide spread nearly all are 0 or 1."""
    return np.asarray(1 / (1 + np.exp(-rng.normal(-0.5, spread, n))))


def moved(rng: np.random.Generator, n: int, tail: float) -> np.ndarray:
    """KL of each question, whose logits a quantization moves, by a lognormal factor with `tail`."""
    before = rng.normal(0, 2, (n, CHOICES))
    after = before + rng.normal(0, 0.1, (n, CHOICES)) * rng.lognormal(0, tail, (n, 1))
    p, q = (one - np.logaddexp.reduce(one, axis=1, keepdims=True) for one in (before, after))
    return np.asarray((np.exp(p) * (p - q)).sum(axis=1))


def accuracies() -> Iterator[Condition]:
    """Macro accuracy."""
    for count in (4, 15):
        truth = float(subjects(count)[1].mean())
        yield Condition("macro", f"{count} subjects of unequal sizes", truth, by_subject(count))


def shares() -> Iterator[Condition]:
    """The share of probability on the right choices (MC2)."""
    for spread in (1.0, 4.0):

        def draw(rng: np.random.Generator, n: int, spread: float = spread) -> Tested:
            return untested(bootstrap(mean, masses(rng, n, spread).reshape(-1, 1)))

        truth = float(masses(np.random.default_rng(0), MANY, spread).mean())
        yield Condition("MC2", f"a spread of {spread:g}", truth, draw)


def divergences() -> Iterator[Condition]:
    """The divergence from a native model."""
    for tail in (0.0, 0.5):

        def draw(rng: np.random.Generator, n: int, tail: float = tail) -> Tested:
            return untested(flips.mean_divergence(moved(rng, n, tail)))

        truth = float(moved(np.random.default_rng(0), MANY, tail).mean())
        yield Condition("KL", f"a tail of {tail:g}", truth, draw)
