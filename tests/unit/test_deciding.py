"""Limits and the variants that meet them: the rules that the terminal and the page share."""

from __future__ import annotations

import json
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from cells import ROOT
from frontier.report.deciding.candidates import candidate
from frontier.report.deciding.limits import (
    Candidate,
    Decision,
    Figure,
    Limit,
    decide,
    doubtful,
    misses,
    over_tasks,
)
from study_rows import row

CASES = json.loads((ROOT / "tests" / "decisions.json").read_text(encoding="utf-8"))
NAMES = ("answer", "best", "fastest", "cheapest", "smallest")


def described(decision: Decision, limits: list[Limit]) -> dict[str, Any]:
    answer = decision.answer
    return {
        "meeting": [one.name for one in decision.meeting],
        **{name: one.name if (one := getattr(decision, name)) else None for name in NAMES},
        "frontier": [one.name for one in decision.frontier],
        "doubtful": [limits.index(one) for one in (doubtful(answer, limits) if answer else [])],
    }


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_the_shared_cases_are_decided_as_they_say(case: dict[str, Any]) -> None:
    candidates = [Candidate.of_json(one) for one in case["candidates"]]
    if "over" in case:
        candidates = over_tasks(candidates, case["over"])
    limits = [Limit(**one) for one in case["limits"]]
    decision = decide(candidates, limits, case["margin"], case["surely"])
    assert described(decision, limits) == case["expected"]


def test_the_data_of_a_page_has_all_that_a_decision_needs() -> None:
    for case in CASES:
        for given_one in case["candidates"]:
            assert Candidate.of_json(given_one).as_json() == given_one


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, None),
        (
            {"cpu_joules_per_request": 2.0, "gpu_energy_counter": "the gpu does not compute here"},
            2.0,
        ),
        ({"cpu_joules_per_request": 2.0, "gpu_joules_per_request": 5.0}, 7.0),
        ({"gpu_joules_per_request": 5.0, "cpu_energy_counter": "missing: RAPL needs root"}, None),
        ({"gpu_joules_per_request": 5.0, "cpu_energy_counter": "RAPL"}, None),
    ],
)
def test_energy_that_was_not_counted_everywhere_is_not_known(
    more: dict[str, Any], expected: float | None
) -> None:
    """The energy that a processor used while a GPU computed is part of a request's energy."""
    energy = candidate(row("one", 0.1, 0.5, **more)).figures.get("energy")
    assert (energy and energy.value) == expected


def test_a_time_of_a_choice_is_a_latency() -> None:
    cell = row("one", 0.1, 0.5, latency_p50_s=None, choice_p50_s=0.3)
    cell |= {"choice_p50_low_s": 0.2, "choice_p50_high_s": 0.4}
    assert candidate(cell).figures["latency_p50"] == Figure(0.3, 0.2, 0.4)
    assert candidate(cell).seconds == 0.3


values = st.sampled_from([0.1, 0.2, 0.5, 1.0, 2.0])
estimates = values.flatmap(
    lambda value: st.builds(
        Figure,
        st.just(value),
        st.none() | st.floats(0, value),
        st.none() | st.floats(value, 2 * value),
    )
)


@st.composite
def candidates(draw: st.DrawFn) -> list[Candidate]:
    """Some candidates of one task, each of another name, with some figures unknown."""
    found = []
    for name in range(draw(st.integers(0, 6))):
        figures = {"score": draw(estimates)}
        for figure in ("memory", "cost", "latency_p50"):
            if draw(st.booleans()):
                figures[figure] = draw(estimates)
        found.append(Candidate(f"v{name}", "cpu", "t", draw(values), figures))
    return found


limits = st.lists(
    st.builds(
        Limit,
        st.sampled_from(["score", "memory", "cost", "latency_p50"]),
        st.sampled_from(["most", "least"]),
        values,
    ),
    max_size=3,
)


@given(candidates(), limits, st.sampled_from([0.0, 0.3, 10.0]), st.booleans())
def test_whatever_is_chosen_meets_every_limit_and_nothing_that_does_is_better(
    among: list[Candidate], bounds: list[Limit], margin: float, surely: bool
) -> None:
    decision = decide(among, bounds, margin, surely)
    for one in among:
        met = not misses(one, bounds) and not (surely and doubtful(one, bounds))
        assert (one in decision.meeting) == met
    for name in NAMES:
        assert getattr(decision, name) in (None, *decision.meeting)
    if decision.meeting:
        assert decision.answer
        assert decision.best
        assert decision.fastest
        floor = decision.best.point.score - margin
        assert decision.answer.point.score >= floor - 1e-6
        for one in decision.meeting:
            assert one.point.score <= decision.best.point.score
            assert one.seconds >= decision.fastest.seconds
            if one.point.score >= floor:
                assert one.seconds >= decision.answer.seconds


@given(candidates(), limits, values)
def test_a_stricter_limit_lets_no_more_variants_through(
    among: list[Candidate], bounds: list[Limit], value: float
) -> None:
    before = decide(among, bounds, 2.0).meeting
    after = decide(among, [*bounds, Limit("memory", "most", value)], 2.0).meeting
    assert set(map(id, after)) <= set(map(id, before))


@given(candidates())
def test_over_one_task_a_variant_is_decided_as_in_it(among: list[Candidate]) -> None:
    alone, over = decide(among, [], 0.3), decide(over_tasks(among, ["t"]), [], 0.3)
    for name in NAMES:
        one, other = getattr(alone, name), getattr(over, name)
        assert (one and one.name) == (other and other.name)
