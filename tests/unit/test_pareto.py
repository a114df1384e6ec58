"""The frontier and the choice on it."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from frontier.report.deciding.pareto import Point, best, fastest_within, front, points_per_unit

# Few distinct values, so that ties are common.
points = st.lists(
    st.builds(
        Point,
        name=st.uuids().map(str),
        latency=st.one_of(st.sampled_from([0.1, 0.2, 0.3]), st.floats(1e-6, 1e3)),
        score=st.one_of(st.sampled_from([0.0, 50.0, 100.0]), st.floats(0, 100)),
    ),
    max_size=40,
)


def dominates(one: Point, other: Point) -> bool:
    """Whether `one` is at least as fast and as good as `other`, and better in one of the two."""
    as_good = one.latency <= other.latency and one.score >= other.score
    return as_good and (one.latency < other.latency or one.score > other.score)


@given(points)
def test_nobody_on_the_front_is_dominated_and_everyone_off_it_is(everyone: list[Point]) -> None:
    on_it = front(everyone)
    for point in everyone:
        dominated = any(dominates(other, point) for other in everyone)
        assert dominated == (point not in on_it)


@given(points)
def test_the_front_goes_from_fast_to_good(everyone: list[Point]) -> None:
    on_it = front(everyone)
    assert [point.latency for point in on_it] == sorted(point.latency for point in on_it)
    assert [point.score for point in on_it] == sorted(point.score for point in on_it)


@given(points, st.randoms())
def test_the_order_of_the_points_does_not_matter(everyone: list[Point], random: object) -> None:
    shuffled = list(everyone)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert front(shuffled) == front(everyone)
    assert fastest_within(shuffled, 2) == fastest_within(everyone, 2)


@given(points, st.floats(0, 100))
def test_the_chosen_one_is_good_enough_and_nobody_good_enough_is_faster(
    everyone: list[Point], margin: float
) -> None:
    chosen, top = fastest_within(everyone, margin), best(everyone)
    if not everyone:
        assert chosen is None
        assert top is None
        return
    assert chosen is not None
    assert top is not None
    assert top.score == max(point.score for point in everyone)
    assert chosen.score >= top.score - margin - 1e-6
    for point in everyone:
        if point.score >= top.score - margin:
            assert chosen.latency <= point.latency


@pytest.mark.parametrize(
    ("unit", "good", "enough", "too_low"),
    [("proportion", 0.95, 0.93, 0.929), ("points", 71.4, 69.4, 69.3)],
)
def test_two_points_are_percentage_points_or_chrf2_points(
    unit: str, good: float, enough: float, too_low: float
) -> None:
    factor = points_per_unit(unit)
    slow = Point("slow", 3.0, good * factor)
    middle = Point("middle", 2.0, enough * factor)
    fast = Point("fast", 1.0, too_low * factor)
    # Exactly two points below counts, though 0.95 - 0.93 is not 0.02 in floating point.
    assert fastest_within([slow, middle, fast], 2) == middle


def test_equal_points_stand_on_the_front_together() -> None:
    twins = [Point("a", 1.0, 90.0), Point("b", 1.0, 90.0)]
    assert front(twins) == twins
