"""Figures of each rate of arrivals: what an overload, failures or too few requests must not hide."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from frontier import figures
from frontier.arrivals import Arrival
from frontier.catalogue.loads import Limits, Rates
from frontier.figures import Measured, Needs
from frontier.results.cell import CellResult
from frontier.results.cell_load import Loads
from frontier.results.loads import STOPPED, loads
from frontier.results.records import Record
from frontier.scoring import load
from frontier.specs.score import ScoredDevice, ScoredModel, ScoreSpec
from measurements import WARM_UP, a_measurement, session

SECOND = 10**9
LIMITS = Limits(ttft_s=0.5, tpot_s=0.1, percentile=90)
RATES = Rates(min_seconds=1, max_seconds=1000)


def record(number: int, due_s: float, waits_s: float, rate: float | None, **more: Any) -> Record:
    """A request of five tokens that waits in a queue, then for its first token and four others."""
    due = int(due_s * SECOND)
    arrivals = [Arrival(int((0.02 + 0.01 * token) * SECOND), 1) for token in range(5)]
    facts = {"text": "yes", "tokens": 5, "arrivals": arrivals, "end_ns": arrivals[-1].ns} | more
    return Record(
        id=f"r{number}", prompt_sha256="", prompt_tokens=3, finish_reason="stop", due_ns=due,
        start_ns=due + int(waits_s * SECOND), session=0, rate=rate, foreign_cores=0.0, **facts,
    )  # fmt: skip


def failed(number: int, due_s: float, rate: float, reason: str = "HTTP 503") -> Record:
    return record(number, due_s, 0, rate, text="", tokens=0, arrivals=[], end_ns=0, failure=reason)


FIRST = [record(number, 0, 0.05 * number, None) for number in range(20)]


def at_rate(rate: float, waits: list[float | None]) -> list[Record]:
    """A request each 1 / `rate` seconds; None: without an answer."""
    return [
        failed(number, number / rate, rate) if wait is None
        else record(number, number / rate, wait, rate)
        for number, wait in enumerate(waits)
    ]  # fmt: skip


def summary(records: list[Record], **facts: Any) -> Loads:
    """The figures of these requests."""
    spec = {"task": {"prompt": "{a}"}, "scenario_keys": {
        "limits": LIMITS.model_dump(), "rates": RATES.model_dump(mode="json"),
    }}  # fmt: skip
    measured = a_measurement(spec=spec, **facts)
    return load.summary(measured, FIRST, loads(records), 1.0)


def test_times_count_from_the_schedule() -> None:
    """A queue is part of the time to first token; the time from the send is given too."""
    [found] = summary(at_rate(10, [0.3] * 100)).rates
    assert found.ttft.p90 is not None
    assert found.ttft_sent.p90 is not None
    assert found.latency.p50 is not None
    assert found.tpot.p50 is not None
    assert found.ttft.p90.value == pytest.approx(0.32)
    assert found.ttft_sent.p90.value == pytest.approx(0.02)
    assert found.latency.p50.value == pytest.approx(0.36)
    assert found.tpot.p50.value == pytest.approx(0.01)
    assert found.ttft.p99 is None, "100 requests show no p99"
    assert found.share == pytest.approx(10 / (20 / 1.01), rel=0.01)
    assert found.holds


@settings(deadline=None, max_examples=40)
@example(waits=[0.1] * 1500 + [None] * 5, rate=50.0)
@example(waits=[0.1] * 700 + [None] * 9, rate=50.0)
@given(
    waits=st.lists(st.none() | st.floats(0, 5), min_size=1, max_size=800),
    rate=st.sampled_from([2.0, 50.0]),
)
def test_what_has_no_answer_is_slower_than_all_others(
    waits: list[float | None], rate: float
) -> None:
    """Quantiles are those of all requests, or missing where they would be of one without answer."""
    [found] = summary(at_rate(rate, waits)).rates
    times = np.array([math.inf if one is None else one + 0.02 for one in waits])
    for name, q, fewest in (("p50", 0.5, 11), ("p90", 0.9, 64), ("p99", 0.99, 662)):
        bound = getattr(found.ttft, name)
        place = (len(times) - 1) * q
        upper = np.sort(times)[math.ceil(place - 1e-9)]
        if len(times) < fewest or math.isinf(upper):
            assert bound is None
            continue
        assert bound is not None
        finite = np.minimum(times, 1e6)
        assert bound.value == pytest.approx(np.quantile(finite, q), abs=1e-3)
        for end in (bound.low, bound.high, bound.at_most):
            assert end is None or end <= times[np.isfinite(times)].max() + 1e-6
        assert bound.at_most is None or bound.at_most >= bound.value - 1e-6
    late = sum(one is None or one + 0.02 > LIMITS.ttft_s for one in waits)
    assert found.within == len(waits) - late
    assert found.answered == sum(one is not None for one in waits)
    if found.goodput:
        assert found.goodput.value == pytest.approx(found.within / found.seconds)
        if found.goodput.low is not None and found.goodput.high is not None:
            assert found.goodput.low <= found.goodput.value <= found.goodput.high


def test_the_highest_rate_is_that_of_the_rates_that_passed_the_checks() -> None:
    """One during which others computed is marked and has no times, and does not count."""
    good = at_rate(10, [0.1] * 100)
    busy = [replace(one, foreign_cores=5.0) for one in at_rate(20, [0.1] * 100)]
    bad = at_rate(40, [0.1] * 80 + [3.0] * 20)
    found = summary([*good, *busy, *bad])
    assert [one.holds for one in found.rates] == [True, None, False]
    assert found.rates[1].invalid is not None
    assert "contention" in found.rates[1].invalid
    assert found.rates[1].ttft.p50 is None
    assert found.rates[1].goodput is None
    assert (found.max_rate, found.fails_at) == (10, 40)
    assert found.best == found.rates[0]
    assert load.reason(found) is None
    assert load.reason(summary(busy)) == found.rates[1].invalid


def test_a_rate_that_was_stopped_is_marked() -> None:
    """Its unanswered requests are late; its figures are those that are left of all of them."""
    lost = [failed(number, number / 50, 50, STOPPED) for number in range(60, 100)]
    [found] = summary([*at_rate(50, [0.1] * 60), *lost]).rates
    assert found.stopped
    assert found.holds is False
    assert found.invalid is None
    assert (found.requests, found.answered, found.within) == (100, 60, 60)
    assert found.ttft.p50 is not None
    assert found.ttft.p90 is None


def test_a_request_that_was_sent_again_was_not_answered_as_it_arrived() -> None:
    """The time of its last attempt is not what its user waited."""
    records = [replace(one, retries=1) if n < 12 else one
               for n, one in enumerate(at_rate(10, [0.1] * 100))]  # fmt: skip
    [found] = summary(records).rates
    assert (found.answered, found.within, found.holds) == (88, 88, False)


def test_too_few_requests_show_nothing() -> None:
    """No limit of 90 % is known to hold by 43 requests, and then there is no highest rate."""
    found = summary([*at_rate(10, [0.1] * 43), *at_rate(20, [0.1] * 10)])
    assert [one.holds for one in found.rates] == [None, None]
    assert (found.max_rate, found.fails_at, found.best) == (None, None, None)
    assert found.rates[1].ttft.p50 is None


def spec() -> ScoreSpec:
    names = {"variant": "v", "model": "v", "quantization": "native", "device": "d", "task": "t"}
    device = ScoredDevice(max_background_cores=1.0)
    return ScoreSpec.model_validate({
        "cell": {**names, "scenario": "server"}, "model": ScoredModel(), "device": device,
        "scorer": {"kind": "classification", "options": {"labels": ["a", "b"]}},
    })  # fmt: skip


def test_the_study_has_the_figures_at_the_highest_rate() -> None:
    """Each with its interval; no latency of requests that were all asked at once."""
    found = summary([*at_rate(10, [0.1] * 100), *at_rate(20, [1.0] * 100)])
    inputs = Measured(a_measurement(), spec(), FIRST, (), found)
    values = figures.values(inputs, Needs.TIMES)
    assert (values["max_rate_per_s"], values["fails_at_per_s"]) == (10, 20)
    assert values["server_ttft_p90_s"]["value"] == pytest.approx(0.12)
    assert values["server_ttft_p99_s"] is None
    assert values["goodput_per_s"]["value"] == pytest.approx(10, rel=0.02)
    assert values["latency_p50_s"] is None
    assert values["requests_per_s"] is None
    none = figures.values(replace(inputs, loads=summary(at_rate(20, [1.0] * 100))), Needs.TIMES)
    assert none["max_rate_per_s"] is None
    assert none["fails_at_per_s"] == 20
    assert none["server_ttft_p90_s"] is None


@pytest.mark.parametrize(
    ("setting", "counted", "said"),
    [
        (True, None, "cached"),
        (True, 0, "cached"),
        (None, None, "may be cached"),
        (None, 0, "may be cached"),
        (None, 2, "cached"),
        (False, None, None),
        (False, 0, None),
        (False, 2, "cached"),  # a switch that has no effect
    ],
)
def test_repeated_prompts_from_a_cache_are_marked(
    setting: bool | None, counted: int | None, said: str | None
) -> None:
    """The server's settings decide it, or its own count."""
    records = [replace(one, cached_tokens=counted) for one in at_rate(10, [0.1] * 100)]
    server = {"name": "server", "prefix_cache": setting}
    found = summary(records, sessions=[session(loaded={"warmup": WARM_UP, "server": server})])
    assert found.prompts == said
    share = None if counted is None else counted / 3
    assert found.rates[0].cached_prompt_share == pytest.approx(share)
    values = figures.values(Measured(a_measurement(), spec(), FIRST, (), found), Needs.TIMES)
    assert values["server_prompts"] == said


def test_an_engine_in_this_process_has_no_such_cache() -> None:
    assert summary(at_rate(10, [0.1] * 100)).prompts is None


def test_a_cell_has_all_rates() -> None:
    """They are read as they are written."""
    found = summary([*at_rate(10, [0.1] * 100), *at_rate(20, [None] * 30 + [0.2] * 70)])
    value = found.model_dump(mode="json")
    names = {"variant": "v", "model": "v", "quantization": "native", "device": "d", "task": "t"}
    cell = CellResult.of({
        "layout": 1, "cell": {**names, "scenario": "server"}, "outcome": "measured", "figures": {},
        "load": value,
    })  # fmt: skip
    assert cell.load == found
