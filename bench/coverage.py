"""How often the published intervals hold the truth, and how often the tests find what is there.

    python bench/coverage.py                               every figure, 1,000 studies a line
    python bench/coverage.py --figures mean ratio --requests 20 200 --studies 4000
    python bench/coverage.py --texts references.en.gz      chrF and BLEU on sentences of your own

Each line simulates so many studies under a known truth and asks the functions that score.py and
compare.py use. `held`: studies whose interval held the truth, of those with an interval, with
Wilson's interval of that share; `none`: studies that were refused an interval; `width`: the
median width, in units of the truth (of points for chrF and BLEU); `found`: studies whose test was
significant: false findings where the truth is no difference (=), else the test's power.
"""

from __future__ import annotations

import argparse
import gzip
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from sacrebleu.metrics import BLEU, CHRF

from frontier import timing
from frontier.columns import SIGNIFICANT
from frontier.jackknife import LOG, Tested, jackknife
from frontier.scorers import classification, translation
from frontier.serial import serial
from frontier.significance import paired_ratio
from frontier.statistics import Estimate, quantile_interval, wilson

REQUESTS = (20, 50, 100, 200, 500)
Values = NDArray[Any]
Draw = Callable[[np.random.Generator, int], Tested]


@dataclass(frozen=True)
class Condition:
    """A figure under a truth: `draw` simulates one study of n requests and estimates."""

    figure: str
    name: str
    truth: float
    draw: Draw
    null: bool = False  # whether a test that finds something is wrong


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
    return untested(timing.mean(values.tolist(), serial(values)))


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
            return untested(jackknife(timing.over, counts, scale=LOG, timed=goes_on).estimate)

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


def garbled(text: str, rng: random.Random, share: float, others: Sequence[str]) -> str:
    """A translation with errors: words lost, replaced, a line of something else, or none."""
    if rng.random() < 0.03:
        return ""
    if rng.random() < 0.3 * share:
        return rng.choice(others)
    units = text.split() if " " in text else list(text)
    strange = rng.choice(others).split() or ["?"]
    made = [
        rng.choice(strange) if rng.random() < share / 2 else unit
        for unit in units
        if rng.random() > share / 2
    ]
    return (" " if " " in text else "").join(made)


def invented(rng: random.Random, lines: int) -> list[str]:
    """Sentences of 1 to 30 made-up words, short ones more often, as in subtitles."""
    words = ["".join(rng.choices("etaoinshrdlu", k=rng.randint(1, 9))) for _ in range(800)]
    weights = [1 / (rank + 1) for rank in range(len(words))]
    return [" ".join(rng.choices(words, weights, k=min(30, 1 + int(rng.expovariate(1 / 6)))))
            for _ in range(lines)]  # fmt: skip


def references(path: Path | None, lines: int = 4000) -> list[str]:
    """Lines of a text file, which may be gzipped, in an order of chance; without one, invented."""
    rng = random.Random(1)
    if path is None:
        return invented(rng, lines)
    content = path.read_bytes()
    lines_of = (gzip.decompress(content) if path.suffix == ".gz" else content).decode().splitlines()
    texts = [text for each in lines_of if (text := translation.line(each))]
    return rng.sample(texts, min(lines, len(texts)))


def corpora(texts: Sequence[str]) -> Iterator[Condition]:
    """chrF2, BLEU and the paired difference of chrF2, sentences drawn from a large population."""
    tokenizer = "13a" if any(" " in text for text in texts) else "zh"
    chrf, bleu = CHRF(), BLEU(tokenize=tokenizer)
    spoilt = []
    for seed, share in ((2, 0.3), (3, 0.3), (4, 0.36)):
        rng = random.Random(seed)
        spoilt.append([garbled(text, rng, share, texts) for text in texts])
    rows = [np.array(chrf._extract_corpus_statistics(each, [texts]), float) for each in spoilt]
    words = np.array(bleu._extract_corpus_statistics(spoilt[0], [texts]), float)

    def sampled(statistic: Any, population: Values, **how: Any) -> Draw:
        def draw(rng: np.random.Generator, n: int) -> Tested:
            found = jackknife(statistic, population[rng.integers(0, len(population), n)], **how)
            return untested(found.estimate) if how else found

        return draw

    def of(statistic: Any, population: Values) -> float:
        return float(statistic(population.sum(axis=0, keepdims=True))[0])

    metrics: dict[str, tuple[Any, Values]] = {"chrF2": (translation.chrf2, rows[0])}
    metrics["BLEU"] = (lambda sums: translation._each(bleu, sums), words)
    for name, (statistic, population) in metrics.items():
        draw = sampled(statistic, population, scale=translation.PERCENT)
        truth = of(statistic, population)
        yield Condition(name, f"corpus of {truth:.0f} points", truth, draw)

    swapped = np.random.default_rng(5).random(len(texts)) < 0.5
    alike = np.where(swapped[:, np.newaxis], np.hstack(rows[:2]), np.hstack(rows[1::-1]))

    def partly(share: float) -> Values:
        changed = np.random.default_rng(6).random((len(texts), 1)) < share
        return np.hstack([rows[0], np.where(changed, rows[2], rows[0])])

    for name, population in (
        ("equally good", np.vstack([alike, np.hstack([alike[:, 18:], alike[:, :18]])])),
        ("a worse one", np.hstack([rows[0], rows[2]])),
        ("15 % of answers worse", partly(0.15)),
        ("5 % of answers worse", partly(0.05)),
    ):
        truth = of(translation.gain, population)
        draw = sampled(translation.gain, population)
        yield Condition("chrF2 change", name, truth, draw, name == "equally good")


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
        # Of a label with such a share: twice tp, over those named and those that are it.
        one, zero = (
            2 * share * right / (share + share * right + (1 - share) * (1 - right))
            for share in (0.4, 0.6)
        )
        named = f"{right:.0%} right"
        yield Condition("F1", named, one, classified(right, macro=False))
        yield Condition("macro F1", named, (one + zero) / 2, classified(right, macro=True))


CORPORA = ("chrF2", "BLEU", "chrF2 change")


def conditions(texts: Path | None, figures: Sequence[str] | None) -> Iterator[Condition]:
    """All of them, or those of some figures."""
    for group in (means, quantiles, rates, ratios, f1_scores):
        yield from (each for each in group() if not figures or each.figure in figures)
    if not figures or set(figures) & set(CORPORA):
        for each in corpora(references(texts)):
            if not figures or each.figure in figures:
                yield each


@dataclass(frozen=True)
class Line:
    """What came of one condition at one number of requests."""

    held: Estimate
    none: float
    width: float
    found: Estimate


def simulate(condition: Condition, n: int, studies: int, seed: int = 0) -> Line:
    """Simulate studies."""
    rng = np.random.default_rng([seed, n])
    held = known = found = tested = 0
    widths = []
    for _ in range(studies):
        estimate, p = condition.draw(rng, n)
        if estimate.low is not None and estimate.high is not None:
            known += 1
            held += estimate.low <= condition.truth <= estimate.high
            widths.append(estimate.high - estimate.low)
        tested += p is not None
        found += p is not None and p < SIGNIFICANT
    width = float(np.median(widths)) if widths else float("nan")
    return Line(wilson(held, known), 1 - known / studies, width, wilson(found, tested))


def share(estimate: Estimate) -> str:
    """95.1 (93.6-96.3)."""
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return "-"
    value, low, high = (100 * end for end in (estimate.value, estimate.low, estimate.high))
    return f"{value:.1f} ({low:.1f}-{high:.1f})"


def main() -> None:
    """Read the arguments, simulate, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--studies", type=int, default=1000, help="simulated studies a line")
    parser.add_argument("--requests", type=int, nargs="+", default=REQUESTS, help="their sizes")
    parser.add_argument("--figures", nargs="+", help="only these, such as mean or BLEU")
    parser.add_argument("--texts", type=Path, help="references, a line each; else invented ones")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    started = time.monotonic()
    print(f"{'figure':13}{'condition':36}{'n':>5}{'held, of 95 %':>21}{'none':>6}{'width':>8}"
          f"{'found, %':>20}")  # fmt: skip
    for condition in conditions(arguments.texts, arguments.figures):
        for n in arguments.requests:
            line = simulate(condition, n, arguments.studies, arguments.seed)
            found = share(line.found) + (" =" if condition.null else "")
            print(f"{condition.figure:13}{condition.name:36}{n:5}{share(line.held):>21}"
                  f"{line.none:6.0%}{line.width:8.3f}{found:>20}", flush=True)  # fmt: skip
    print(f"{arguments.studies} studies a line, {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
