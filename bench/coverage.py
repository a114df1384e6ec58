"""Coverage of the published intervals, and power of the tests, in simulated studies.

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
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

import choices
import corpora
import judged
import populations
import published

from frontier.results.columns import SIGNIFICANT
from frontier.stats.intervals import Estimate, wilson

REQUESTS = (20, 50, 100, 200, 500)
CORPORA = ("chrF2", "BLEU", "chrF2 change")


def conditions(
    texts: Path | None, figures: Sequence[str] | None
) -> Iterator[populations.Condition]:
    """All of them, or those of some figures."""
    p = populations
    groups = (
        *(p.means, p.quantiles, p.rates, p.ratios, p.f1_scores, p.mean_scores, p.passes),
        *(choices.accuracies, choices.shares, choices.divergences),
        *(judged.mean_ratings, judged.win_rates, judged.arenas, judged.lengths),
        *(published.proportions, published.flips, published.costs, published.throughputs),
        *(published.queues, published.judges, published.ranges, published.drifts),
    )
    for group in groups:
        yield from (each for each in group() if not figures or each.figure in figures)
    if not figures or set(figures) & set(CORPORA):
        for each in corpora.corpora(corpora.references(texts)):
            if not figures or each.figure in figures:
                yield each


@dataclass(frozen=True)
class Line:
    """The results of one condition at one number of requests."""

    held: Estimate
    none: float
    width: float
    found: Estimate


def simulate(condition: populations.Condition, n: int, studies: int, seed: int = 0) -> Line:
    """Simulates studies."""
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
    """Reads the arguments, simulates, prints the table."""
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
    print(f"{'figure':16}{'condition':36}{'n':>5}{'held, of 95 %':>21}{'none':>6}{'width':>8}"
          f"{'found, %':>20}")  # fmt: skip
    for condition in conditions(arguments.texts, arguments.figures):
        for n in arguments.requests:
            line = simulate(condition, n, arguments.studies, arguments.seed)
            found = share(line.found) + (" =" if condition.null else "")
            print(f"{condition.figure:16}{condition.name:36}{n:5}{share(line.held):>21}"
                  f"{line.none:6.0%}{line.width:8.3f}{found:>20}", flush=True)  # fmt: skip
    print(f"{arguments.studies} studies a line, {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
