"""Populations of what is published besides a cell's own means: counts, passes, sums, tests.

A `range` is no interval but is wider than one: it holds the truth in at least 95 % of the studies.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from populations import Condition, answered, process, untested

from frontier.figures.cost_per_1000_requests import _ratio
from frontier.judging.agreement import Judged, habits
from frontier.report.deciding.balance import Part, Parts, _first, _relative
from frontier.report.deciding.limits import Candidate, Figure, over_tasks
from frontier.results.cell import Estimate as Stored
from frontier.scoring.load import goodput
from frontier.stats import drift
from frontier.stats import passes as stats_passes
from frontier.stats.batch_means import queued
from frontier.stats.intervals import Estimate, quantile_interval, wilson
from frontier.stats.jackknife import Tested
from frontier.stats.serial import serial
from frontier.stats.significance import holm, mcnemar_mid_p, paired_difference
from frontier.tables.sides import throughput_ratio

NONE = Estimate(None, None, None, "")
MOST = 0.2
"""The change up to which a drift is permitted, as devices have it by default."""
FAMILY = 10
"""Tests that are corrected together."""


def proportions() -> Iterator[Condition]:
    """The share of right answers, and of answers that flipped."""
    for share in (0.5, 0.9, 0.99):

        def draw(rng: np.random.Generator, n: int, share: float = share) -> Tested:
            return untested(wilson(int(rng.binomial(n, share)), n))

        yield Condition("proportion", f"{share:.0%}", share, draw)


def flipped(rng: np.random.Generator, n: int, lost: float, gained: float) -> tuple[int, int]:
    """The numbers of answers that became wrong and right."""
    down, up, _ = rng.multinomial(n, [lost, gained, 1 - lost - gained])
    return int(down), int(up)


def flips() -> Iterator[Condition]:
    """The paired change of a proportion, alone and as one of a family without any change."""
    for lost, gained in ((0.02, 0.02), (0.1, 0.1), (0.1, 0.05)):

        def draw(
            rng: np.random.Generator, n: int, lost: float = lost, gained: float = gained
        ) -> Tested:
            down, up = flipped(rng, n, lost, gained)
            return Tested(paired_difference(down, up, n), mcnemar_mid_p(down, up))

        name = f"{lost:.0%} lost, {gained:.0%} gained"
        yield Condition("accuracy change", name, gained - lost, draw, null=lost == gained)

    def family(rng: np.random.Generator, n: int) -> Tested:
        p = holm([mcnemar_mid_p(*flipped(rng, n, 0.1, 0.1)) for _ in range(FAMILY)])
        return Tested(NONE, min(one for one in p if one is not None))

    yield Condition("Holm", f"any of {FAMILY} without a change", 0, family, null=True)


def costs() -> Iterator[Condition]:
    """Energy for a request and a token by counters, and the price of requests by their tokens."""
    seconds = (2 + 33.5) * 0.01 * float(np.exp(0.3**2 / 2))
    for lag1 in (0.0, 0.6):
        for per, count in (("request", 1.0), ("token", 33.5)):

            def joules(
                rng: np.random.Generator, n: int, lag1: float = lag1, per: str = per
            ) -> Tested:
                tokens, times = answered(rng, n, lag1, 0.3)
                energy = 40 * times * rng.normal(1, 0.05, n)  # of a counter
                each = tokens if per == "token" else np.ones(n)
                return untested(_ratio(energy.tolist(), each.tolist(), serial(energy, [tokens])))

            yield Condition("energy", f"of a {per}, lag-1 {lag1:g}", 40 * seconds / count, joules)

    def price(rng: np.random.Generator, n: int) -> Tested:
        prompts, tokens = rng.lognormal(5, 0.8, n).round(), rng.geometric(1 / 60, n)
        return untested(_ratio((1e-6 * prompts + 4e-6 * tokens).tolist(), [1] * n))

    # The mean of a lognormal count, and of a geometric one.
    truth = 1e-6 * float(np.exp(5 + 0.8**2 / 2)) + 4e-6 * 60
    yield Condition("cost", "of the tokens of a request", truth, price)


def throughputs() -> Iterator[Condition]:
    """The rate over passes (of three, as measured, and ten), and the ratio of two such rates."""
    for count, noise in ((3, 0.02), (3, 0.2), (10, 0.1)):

        def rate(
            rng: np.random.Generator, n: int, count: int = count, noise: float = noise
        ) -> Tested:
            seconds: list[float] = (n * rng.lognormal(0, noise, count)).tolist()
            return untested(stats_passes.rate([n] * count, seconds))

        truth = float(np.exp(-(noise**2) / 2)) if noise > 0.1 else 1.0
        yield Condition("throughput", f"{count} passes, {noise:.0%} noise", truth, rate)

    def ratio(rng: np.random.Generator, n: int) -> Tested:
        one, other = (
            stats_passes.rate([n] * 3, (n * rng.lognormal(0, 0.05, 3)).tolist()) for _ in range(2)
        )
        found = throughput_ratio(*(Stored(**vars(each)) for each in (one, other)))
        value, low, high = (found[f"throughput_ratio{end}"] for end in ("", "_low", "_high"))
        return untested(Estimate(value, low, high, ""))

    yield Condition("throughput", "ratio of 3 passes each, 5 % noise", 1, ratio)


def waits(rng: np.random.Generator, n: int, load: float) -> np.ndarray:
    """Latencies behind one queue, in units of the mean service, from the steady state on."""
    gaps, served = rng.exponential(1 / load, n + 200), rng.gamma(4, 0.25, n + 200)
    waited, found = 0.0, np.empty(n + 200)
    for place, (gap, service) in enumerate(zip(gaps, served, strict=True)):
        waited = max(0.0, waited - gap)
        waited += service
        found[place] = waited
    return found[200:]


def queues() -> Iterator[Condition]:
    """Goodput and the median latency of the scenario `server`, on the queue of one engine."""
    for load in (0.3, 0.6, 0.8):
        long = waits(np.random.default_rng(1), 400_000, load)
        limit = float(np.quantile(long, 0.9))

        def kept(
            rng: np.random.Generator, n: int, load: float = load, limit: float = limit
        ) -> Tested:
            times = waits(rng, n, load)
            # Under the arrivals that were drawn, which are the same for every variant.
            found = goodput(
                (times <= limit).tolist(), n / load, queued(serial(times), times.tolist())
            )
            return untested(Estimate(found.value, found.low, found.high, found.method or ""))

        def median(rng: np.random.Generator, n: int, load: float = load) -> Tested:
            times = waits(rng, n, load)
            return untested(
                quantile_interval(times, 0.5, timed=queued(serial(times), times.tolist()))
            )

        yield Condition("goodput", f"90 % within, load {load:g}", 0.9 * load, kept)
        yield Condition("under load", f"median, load {load:g}", float(np.median(long)), median)


def judges() -> Iterator[Condition]:
    """The share of verdicts for the answer shown first, of pairs judged in both orders."""
    for same, name in ((0.65, "often the same"), (0.0, "independent")):

        def draw(rng: np.random.Generator, n: int, same: float = same) -> Tested:
            first = rng.random(n) < 0.5
            second = np.where(rng.random(n) < same, first, rng.random(n) < 0.5)
            pairs = [
                Judged(float(one), float(other), 10, 10)
                for one, other in zip(first, second, strict=True)
            ]
            return untested(habits(pairs).first_placed)

        yield Condition("first placed", f"verdicts of a pair {name}", 0.5, draw)


def ranges() -> Iterator[Condition]:
    """A mean over three tasks, and the balanced score of the second of three variants."""
    tasks = {"one": 0.9, "two": 0.6, "three": 0.7}

    def over(rng: np.random.Generator, n: int) -> Tested:
        found = [(name, wilson(int(rng.binomial(n, one)), n)) for name, one in tasks.items()]
        cells = [
            Candidate("v", "d", name, 1.0, {"score": Figure(one.value or 0, one.low, one.high)})
            for name, one in found
        ]
        (whole,) = over_tasks(cells, list(tasks))
        return untested(Estimate(*whole.figures["score"], ""))

    yield Condition("range", "mean score over 3 tasks", sum(tasks.values()) / 3, over)
    seconds, right = (1.0, 1.3, 1.02), (0.7, 0.8, 0.79)

    def balanced(rng: np.random.Generator, n: int) -> Tested:
        times = [
            quantile_interval(one * np.exp(0.3 * process(rng, n, 0)), 0.5) or NONE
            for one in seconds
        ]
        scores = [wilson(int(rng.binomial(n, one)), n) for one in right]
        fast, good = (
            [Part(one.value or 0, one.low, one.high) for one in each] for each in (times, scores)
        )
        fewest, highest = _first(fast, min), _first(good, max)
        own = Parts({}, _relative(fewest, fast[1]), _relative(good[1], highest))
        return untested(Estimate(own.at(0.5), *own.ends(0.5), ""))

    yield Condition("range", "balanced score of one of 3", 50 * (1 / 1.3 + 1), balanced)


def drifts() -> Iterator[Condition]:
    """The gate for drift where none is: independent times, and slow phases of many lengths."""
    for lag1, spread in ((0.0, 0.3), (0.5, 0.2), (0.8, 0.1), (0.8, 0.3), (0.9, 0.1), (0.95, 0.3)):

        def draw(
            rng: np.random.Generator, n: int, lag1: float = lag1, spread: float = spread
        ) -> Tested:
            tokens = rng.integers(1, 200, n)
            times = 0.01 * tokens**0.9 * np.exp(spread * process(rng, n, lag1))
            found = drift.change(times, [tokens], MOST)
            return Tested(NONE, 1.0 if found is None else 0.0)

        yield Condition("drift", f"lag-1 {lag1:g}, spread {spread:g}", 0, draw, null=True)
