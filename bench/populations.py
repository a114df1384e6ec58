"""Populations of studies whose truth is known, and the figures that are estimated from them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))


from frontier.scorers import classification
from frontier.scorers.rouge import Rouge
from frontier.scoring import latency
from frontier.stats import bootstrap
from frontier.stats.intervals import Estimate, quantile_interval
from frontier.stats.jackknife import LOG, Tested, jackknife
from frontier.stats.pass_at_k import mean_pass_at_k
from frontier.stats.serial import serial
from frontier.stats.significance import paired_ratio

Values = NDArray[Any]
Draw = Callable[[np.random.Generator, int], Tested]


@dataclass(frozen=True)
class Condition:
    """A figure under a truth: `draw` simulates one study of n requests and estimates."""

    figure: str
    name: str
    truth: float
    draw: Draw
    null: bool = False  # true if a test that finds something is wrong


def process(rng: np.random.Generator, n: int, lag1: float) -> Values:
    """Normal values, each correlated with the one before it."""
    noise = rng.standard_normal(n)
    for place in range(1, n) if lag1 else ():
        noise[place] = lag1 * noise[place - 1] + np.sqrt(1 - lag1**2) * noise[place]
    return noise


def untested(estimate: Estimate | None) -> Tested:
    """An estimate without a test."""
    return Tested(estimate or Estimate(None, None, None, ""), None)


def mean(values: Values) -> Tested:
    """The mean as timing takes it."""
    return untested(latency.mean(values.tolist(), serial(values)))


def long_tailed(sigma: float, lag1: float) -> Draw:
    """Lognormal times in the order of time."""
    return lambda rng, n: mean(np.exp(sigma * process(rng, n, lag1)))


def rare(share: float, slower: float) -> Draw:
    """Times of which a few are much slower."""
    return lambda rng, n: mean(
        rng.lognormal(0, 0.2, n) * np.where(rng.random(n) < share, slower, 1)
    )


def means() -> Iterator[Condition]:
    """Mean latency: long tails, rare slow requests, two kinds of requests, a drifting machine."""
    for lag1 in (0.0, 0.3, 0.6):
        for sigma in (0.1, 0.5, 1.0):
            truth = float(np.exp(sigma**2 / 2))
            named = f"lognormal {sigma:g}, lag-1 {lag1:g}"
            yield Condition("mean", named, truth, long_tailed(sigma, lag1))
    yield Condition("mean", "exponential", 1, lambda rng, n: mean(rng.exponential(1, n)))
    for share, slower in ((0.05, 3), (0.3, 4)):
        truth = float(np.exp(0.02)) * (1 + share * (slower - 1))
        yield Condition("mean", f"{share:.0%} {slower} times slower", truth, rare(share, slower))


def answered(rng: np.random.Generator, n: int, lag1: float, drift: float) -> tuple[Any, Any]:
    """Tokens of answers of very different lengths, and their seconds on a machine that drifts."""
    tokens = rng.integers(4, 64, n).astype(float)
    return tokens, (2 + tokens) * 0.01 * np.exp(drift * process(rng, n, lag1))


def quantile(values: Values, q: float, sizes: Sequence[Values] = ()) -> Tested:
    """A quantile as timing takes it."""
    return untested(quantile_interval(values, q, timed=serial(values, sizes)))


def ordered_quantile(q: float, lag1: float) -> Draw:
    """A quantile of lognormal times in the order of time."""
    return lambda rng, n: quantile(np.exp(0.5 * process(rng, n, lag1)), q)


def quantiles() -> Iterator[Condition]:
    """Median, p90 and p99 of latencies in the order of time; and a drift that lengths hide."""
    for q, name in ((0.5, "median"), (0.9, "p90"), (0.99, "p99")):
        truth = float(np.exp(0.5 * NormalDist().inv_cdf(q)))
        for lag1 in (0.0, 0.3, 0.6):
            drawn = ordered_quantile(q, lag1)
            yield Condition(name, f"lognormal 0.5, lag-1 {lag1:g}", truth, drawn)

    def draw(rng: np.random.Generator, n: int) -> Tested:
        tokens, seconds = answered(rng, n, 0.9, 0.3)
        return quantile(seconds, 0.5, [tokens])

    truth = float(np.median(answered(np.random.default_rng(0), 2_000_000, 0, 0.3)[1]))
    yield Condition("median", "lengths differ, drift of lag-1 0.9", truth, draw)


def rates() -> Iterator[Condition]:
    """Tokens a second: total tokens over total time."""
    for lag1 in (0.0, 0.6):

        def draw(rng: np.random.Generator, n: int, lag1: float = lag1) -> Tested:
            tokens, seconds = answered(rng, n, lag1, 0.3)
            counts, goes_on = np.column_stack([tokens, seconds]), serial(seconds, [tokens])
            return untested(jackknife(latency.over, counts, scale=LOG, timed=goes_on).estimate)

        truth = 34 - 0.5  # the mean of 4 to 63
        truth /= (2 + truth) * 0.01 * float(np.exp(0.3**2 / 2))
        yield Condition("rate", f"lengths differ, lag-1 {lag1:g}", truth, draw)


def ratios() -> Iterator[Condition]:
    """The paired ratio of latencies: no change, and 2 % faster at 2 % noise on each side."""
    for faster in (1.0, 0.98):
        for lag1 in (0.0, 0.3, 0.6):

            def draw(
                rng: np.random.Generator, n: int, lag1: float = lag1, faster: float = faster
            ) -> Tested:
                content = rng.lognormal(0, 0.5, n)
                before, after = (
                    content * np.exp(0.02 * process(rng, n, lag1)) * by for by in (1, faster)
                )
                return paired_ratio(before, after, [])

            named = "no change" if faster == 1 else "2 % faster, 2 % noise"
            yield Condition("ratio", f"{named}, lag-1 {lag1:g}", faster, draw, faster == 1)


def classified(right: float, macro: bool) -> Draw:
    """F1 of two labels, answered right so often."""

    def draw(rng: np.random.Generator, n: int) -> Tested:
        truth = (rng.random(n) < 0.4).astype(np.int64)
        guess = np.where(rng.random(n) < right, truth, 1 - truth)
        if macro:
            return untested(classification._macro_f1(truth, guess, 2))
        return untested(classification._f1(truth, guess, 1))

    return draw


def f1_scores() -> Iterator[Condition]:
    """Binary and macro F1."""
    for right in (0.7, 0.95):
        # The F1 of a label with such a share: twice tp, over predicted plus actual.
        one, zero = (
            2 * share * right / (share + share * right + (1 - share) * (1 - right))
            for share in (0.4, 0.6)
        )
        named = f"{right:.0%} right"
        yield Condition("F1", named, one, classified(right, macro=False))
        yield Condition("macro F1", named, (one + zero) / 2, classified(right, macro=True))


def scores(rng: np.random.Generator, n: int, zeros: float, shift: float = 0.0) -> Values:
    """Scores between 0 and 1 such as ROUGE of documents, a share of which is 0."""
    drawn = rng.beta(2, 5, n) * (rng.random(n) >= zeros)
    return np.clip(drawn + shift, 0, 1)


def mean_scores() -> Iterator[Condition]:
    """Means of scores, with bootstrap intervals, and their changes, with the jackknife's."""
    for zeros in (0.0, 0.5, 0.9):

        def draw(rng: np.random.Generator, n: int, zeros: float = zeros) -> Tested:
            values = scores(rng, n, zeros)[:, np.newaxis]
            return untested(bootstrap.bootstrap(bootstrap.mean, values))

        yield Condition("score", f"{zeros:.0%} are 0", 2 / 7 * (1 - zeros), draw)
    for changed, gain in ((0.2, 0.0), (1.0, 0.0), (1.0, 0.03)):

        def change(
            rng: np.random.Generator, n: int, changed: float = changed, gain: float = gain
        ) -> Tested:
            noise = rng.normal(gain, 0.1, n) * (rng.random(n) < changed)
            found = Rouge().difference(np.zeros(n), noise / 100)
            return Tested(found.estimate, found.p)

        name = f"{changed:.0%} change, by {gain:g}"
        yield Condition("score change", name, gain * changed, change, null=gain == 0)


def passes() -> Iterator[Condition]:
    """pass@k of problems of different difficulty, with several samples of each."""
    for hard, samples, k in ((1.0, 10, 1), (4.0, 10, 1), (1.0, 20, 5), (4.0, 20, 5)):

        def draw(
            rng: np.random.Generator, n: int, hard: float = hard, samples: int = samples, k: int = k
        ) -> Tested:
            right = rng.binomial(samples, rng.beta(0.5, hard, n))
            problems = [[1.0] * one + [0.0] * (samples - one) for one in right.tolist()]
            return untested(mean_pass_at_k(problems, k))

        # The mean of (1 - p)^k where p is beta distributed.
        fails = np.prod([(hard + one) / (0.5 + hard + one) for one in range(k)])
        name = f"{0.5 / (0.5 + hard):.0%} right, {samples} samples"
        yield Condition(f"pass@{k}", name, 1 - float(fails), draw)
