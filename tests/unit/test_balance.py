"""The balanced score: its formula, its ranking at other weights, and its place next to the frontier."""

from __future__ import annotations

import itertools
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import assume, given

from frontier.catalogue.question import Weights
from frontier.report.deciding.balance import SHARES, Parts, leads, parts, ranked
from frontier.report.deciding.findings import point
from frontier.report.writing.balance import ratio
from study_rows import row

rows = st.lists(
    st.tuples(
        st.one_of(st.sampled_from([0.1, 0.2, 0.4]), st.floats(1e-3, 10)),
        st.one_of(st.sampled_from([0.25, 0.5, 1.0]), st.floats(0, 1)),
    ),
    min_size=1,
    max_size=12,
).map(lambda pairs: [row(f"v{at}", *pair) for at, pair in enumerate(pairs)])


def by_name(cells: list[Parts]) -> dict[str, Parts]:
    return {one.row["variant"]: one for one in cells}


def test_the_formula_by_hand() -> None:
    cells = by_name(parts([row("fast", 0.1, 0.6), row("good", 0.4, 0.8), row("both", 0.2, 0.7)]))
    assert cells["fast"].at(0.5) == pytest.approx(100 * (0.5 * 1 + 0.5 * 0.75))
    assert cells["good"].at(0.5) == pytest.approx(100 * (0.5 * 0.25 + 0.5 * 1))
    assert cells["both"].at(0.3) == pytest.approx(100 * (0.3 * 0.5 + 0.7 * 0.875))


def test_the_range_holds_all_figures_at_their_ends() -> None:
    """Those of the firsts too, by which they are divided."""
    cells = by_name(parts([row("one", 0.1, 0.8, 0.1), row("two", 0.2, 0.4, 0.1)]))
    low, high = cells["two"].ends(0.5)
    assert low == pytest.approx(50 * (0.09 / 0.22 + 0.36 / 0.88))
    assert high == pytest.approx(50 * (0.11 / 0.18 + 0.44 / 0.72))
    low, high = cells["one"].ends(0.5)
    assert low == pytest.approx(50 * (0.09 / 0.11 + 0.72 / 0.88))
    assert high == pytest.approx(100)
    assert by_name(parts([row("one", 0.1, 0.8, score_low=None)]))["one"].ends(0.5)[0] is None


def test_a_throughput_is_a_speed_too() -> None:
    rate = {"scenario": "offline", "requests_per_s_low": 8.0, "requests_per_s_high": 12.0}
    cells = by_name(
        parts([row("a", 1, 0.5, requests_per_s=10.0, **rate), row("b", 1, 1, requests_per_s=40.0, **rate)])
    )  # fmt: skip
    assert cells["a"].speed.value == pytest.approx(0.25)
    assert cells["a"].speed.low == pytest.approx(8 / 12)  # both rows have the same ends


def test_what_was_not_published_or_all_wrong_has_none() -> None:
    assert parts([row("one", 0.1, 0.0)]) == []
    assert parts([]) == []
    cells = parts([row("one", 0.1, 0.5), row("not", 0.05, 0.9, outcome="invalid")])
    assert [one.row["variant"] for one in cells] == ["one"]
    assert cells[0].at(0.5) == 100


@given(rows, st.sampled_from(SHARES))
def test_the_first_of_the_ranking_is_on_the_frontier(
    cells: list[dict[str, Any]], share: float
) -> None:
    found = parts(cells)
    assume(found)
    first = ranked(found, share)[0]
    at = point(first.row)
    for other in map(point, cells):
        faster, better = other.latency < at.latency * (1 - 1e-6), other.score > at.score + 1e-6
        assert not (faster and other.score >= at.score)
        assert not (better and other.latency <= at.latency)


@given(rows, st.floats(SHARES[0], SHARES[-1]))
def test_the_lead_at_a_weight_has_the_highest_score_there(
    cells: list[dict[str, Any]], share: float
) -> None:
    found = parts(cells)
    assume(found)
    spans = leads(found)
    assert spans[0].low == SHARES[0]
    assert spans[-1].high == SHARES[-1]
    assert all(one.high == other.low for one, other in itertools.pairwise(spans))
    (here, *_) = [one for one in spans if one.low <= share <= one.high]
    assert here.first.at(share) == pytest.approx(max(one.at(share) for one in found), abs=1e-6)


def test_the_order_changes_with_the_weights_where_the_lines_cross() -> None:
    found = parts([row("fast", 0.1, 0.6), row("good", 0.2, 0.8)])
    quality, speed = leads(found)
    assert quality.first.row["variant"] == "good"
    assert quality.high == pytest.approx(1 / 3)  # where 0.5 w + 1 - w = w + 0.75 (1 - w)
    assert speed.first.row["variant"] == "fast"


def test_only_the_ratio_of_the_weights_matters() -> None:
    assert Weights().share == 0.5
    assert Weights(speed=30, quality=70).share == Weights(speed=3, quality=7).share
    assert ratio(0.3) == "30/70"
    assert ratio(1 / 3) == "33.3/66.7"
    with pytest.raises(ValueError, match="both 0"):
        Weights(speed=0, quality=0)
