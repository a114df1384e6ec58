"""The simulation of bench/coverage.py, small: intervals hold the truth as often as they promise.

Everything is seeded, so that a test passes always or never. At so many studies the bounds are more
than three standard errors from 95 %, and the methods that fall short of them are shown to.
"""

from __future__ import annotations

import sys

import numpy as np
import pytest
from scipy import stats

from cells import ROOT

sys.path.insert(0, str(ROOT / "bench"))

import choices
import corpora
import coverage
import judged
import populations
import published

from frontier.stats.bootstrap import bootstrap, mean

STUDIES = 700
CONDITIONS = {
    f"{each.figure}: {each.name}": each
    for group in (
        populations.means(),
        populations.quantiles(),
        populations.rates(),
        populations.ratios(),
        populations.f1_scores(),
        populations.mean_scores(),
        populations.passes(),
        choices.accuracies(),
        choices.shares(),
        choices.divergences(),
        judged.mean_ratings(),
        judged.win_rates(),
        judged.arenas(),
        judged.lengths(),
        published.proportions(),
        published.flips(),
        published.costs(),
        published.throughputs(),
        published.queues(),
        published.judges(),
        published.ranges(),
        published.drifts(),
        corpora.corpora(corpora.references(None, 1000)),
    )
    for each in group
}
CORPUS = {each.figure: each for each in CONDITIONS.values() if each.figure in ("chrF2", "BLEU")}


def held(condition: populations.Condition, n: int, studies: int = STUDIES) -> float:
    found = coverage.simulate(condition, n, studies)
    assert found.none < 0.08
    assert found.held.value is not None
    return found.held.value


@pytest.mark.parametrize(
    ("condition", "n"),
    [
        ("mean: lognormal 0.1, lag-1 0", 50),
        ("mean: lognormal 1, lag-1 0", 20),
        ("mean: lognormal 1, lag-1 0", 50),
        ("mean: lognormal 1, lag-1 0", 200),
        ("mean: lognormal 1, lag-1 0.6", 200),
        ("mean: 5% 3 times slower", 100),
        ("median: lognormal 0.5, lag-1 0", 50),
        ("median: lognormal 0.5, lag-1 0.3", 100),
        ("median: lognormal 0.5, lag-1 0.6", 100),
        ("p90: lognormal 0.5, lag-1 0.6", 200),
        ("rate: lengths differ, lag-1 0.6", 100),
        ("ratio: no change, lag-1 0", 50),
        ("ratio: no change, lag-1 0.6", 100),
        ("F1: 95% right", 50),
        ("score: 50% are 0", 50),
        ("pass@1: 33% right, 10 samples", 50),
        ("pass@5: 33% right, 20 samples", 50),
        ("score change: 100% change, by 0.03", 50),
        ("macro: 4 subjects of unequal sizes", 50),
        ("MC2: a spread of 1", 50),
        ("MC2: a spread of 4", 50),
        ("KL: a tail of 0", 50),
        ("KL: a tail of 0.5", 200),
        ("chrF2 change: equally good", 20),
        ("chrF2 change: a worse one", 50),
        ("chrF2 change: a worse one", 200),
        ("rating: two turns, correlation 0.6", 20),
        ("rating: two turns, correlation 0", 80),
        ("win rate: 50% better", 80),
        ("win rate: 90% better", 80),
        ("arena: player a", 80),
        ("arena: player c", 80),
        ("arena: most answers are equal", 80),
        ("proportion: 90%", 50),
        ("accuracy change: 10% lost, 5% gained", 100),
        ("energy: of a request, lag-1 0.6", 100),
        ("energy: of a token, lag-1 0", 50),
        ("cost: of the tokens of a request", 50),
        ("throughput: 3 passes, 2% noise", 50),
        ("first placed: verdicts of a pair independent", 50),
    ],
)
def test_an_interval_holds_the_truth_as_often_as_it_says(condition: str, n: int) -> None:
    assert 0.925 <= held(CONDITIONS[condition], n) <= 0.98


@pytest.mark.parametrize(
    "condition", ["goodput: 90 % within, load 0.3", "under load: median, load 0.6"]
)
def test_behind_a_queue_an_interval_is_held(condition: str) -> None:
    """Goodput whose requests count as independent is held in 50 to 85 % of such studies."""
    assert 0.92 <= held(CONDITIONS[condition], 500, 300) <= 0.99


def test_a_range_is_wider_than_an_interval() -> None:
    for condition in ("range: mean score over 3 tasks", "range: balanced score of one of 3"):
        assert held(CONDITIONS[condition], 50, 200) >= 0.97


def test_a_rate_at_equal_lengths_is_held_where_it_has_an_interval() -> None:
    """At 20 questions, where a bootstrap held it in 89 % of the studies, there is none."""
    condition = CONDITIONS["equal length: longer is liked more, 60% better"]
    assert coverage.simulate(condition, 20, 20).none == 1
    assert held(condition, 50, 300) >= 0.925


@pytest.mark.parametrize(("figure", "studies"), [("chrF2", STUDIES), ("BLEU", 400)])
@pytest.mark.parametrize("n", [20, 100])
def test_a_corpus_score_is_held(figure: str, studies: int, n: int) -> None:
    assert 0.925 <= held(CORPUS[figure], n, studies) <= 0.98


def test_tests_find_nothing_where_nothing_is() -> None:
    for name, n in (
        ("chrF2 change: equally good", 20),
        ("ratio: no change, lag-1 0.3", 100),
        ("score change: 20% change, by 0", 20),
        ("accuracy change: 10% lost, 10% gained", 100),
        ("Holm: any of 10 without a change", 100),
        ("drift: lag-1 0.8, spread 0.1", 30),
        ("drift: lag-1 0.8, spread 0.3", 60),
    ):
        found = coverage.simulate(CONDITIONS[name], n, STUDIES).found
        assert found.value is not None
        assert found.value <= 0.07


def test_two_per_cent_are_found_through_two_per_cent_of_noise() -> None:
    """The ratio of the medians, which was used once, finds them in 19 % of studies."""
    found = coverage.simulate(CONDITIONS["ratio: 2 % faster, 2 % noise, lag-1 0"], 50, 300).found
    assert found.value is not None
    assert found.value >= 0.9


def percentile(values: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    drawn = values[rng.integers(0, len(values), (500, len(values)))].mean(axis=1)
    return tuple(np.quantile(drawn, [0.025, 0.975]))


def test_a_percentile_bootstrap_falls_short_of_these_bounds() -> None:
    rng, truth, found = np.random.default_rng(1), float(np.exp(0.5)), 0
    for _ in range(STUDIES):
        low, high = percentile(rng.lognormal(0, 1, 20), rng)
        found += low <= truth <= high
    assert found / STUDIES < 0.9


def test_a_bootstrap_of_changes_falls_short_where_few_answers_change() -> None:
    """Quantized variants change few: its intervals would find differences where there are none."""
    rng, found, tried = np.random.default_rng(3), 0, 0
    for _ in range(300):
        changes = rng.normal(0, 0.1, (50, 1)) * (rng.random((50, 1)) < 0.1)
        estimate = bootstrap(mean, changes, resamples=500)
        if estimate.low is not None and estimate.high is not None:
            tried += 1
            found += estimate.low <= 0 <= estimate.high
    assert found / tried < 0.9


def test_a_bootstrap_of_divergences_falls_short() -> None:
    """They are long-tailed: a bootstrap of few of them sees too little of the tail."""
    rng, found = np.random.default_rng(4), 0
    truth = float(choices.moved(np.random.default_rng(0), choices.MANY, 0.5).mean())
    for _ in range(300):
        each = choices.moved(rng, 20, 0.5).reshape(-1, 1)
        estimate = bootstrap(mean, each, resamples=500)
        assert estimate.low is not None
        assert estimate.high is not None
        found += estimate.low <= truth <= estimate.high
    assert found / 300 < 0.9


def test_order_statistics_of_independent_times_fall_short_where_they_are_not() -> None:
    rng, found = np.random.default_rng(2), 0
    low, high = (int(rank) - 1 for rank in stats.binom(100, 0.5).interval(0.95))
    for _ in range(STUDIES):
        ordered = np.sort(populations.process(rng, 100, 0.6))
        found += ordered[low] <= 0 <= ordered[high + 1]
    assert found / STUDIES < 0.85


def test_the_program_prints_a_line_a_condition(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    line = ["coverage.py", "--studies", "20", "--requests", "20", "50", "--figures", "F1", "rate"]
    monkeypatch.setattr(sys, "argv", line)
    coverage.main()
    head, *lines, end = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ["figure", "condition", "n"]
    assert len(lines) == 2 * (2 + 2)
    assert end.startswith("20 studies a line")
