"""Latencies from token times, against independent arithmetic."""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontier import figures
from frontier.arrivals import Arrival, one_by_one
from frontier.blocks import TokenPrices
from frontier.figures import Measured, Needs
from frontier.gates import GATES, Timing
from frontier.results.key import Key
from frontier.results.records import Record
from frontier.results.session import Contention
from frontier.results.times import itl_s, latency_s, tpot_s, ttft_s
from frontier.scoring import latency
from frontier.specs.score import ScoredDevice, ScoredModel, ScoreSpec
from frontier.stats.intervals import quantile_interval
from measurements import a_measurement


def record(gaps: list[int], tail: int = 0, prompt_tokens: int = 10) -> Record:
    """A request whose tokens came after these gaps (ns), complete `tail` ns after the last."""
    times = [int(time) for time in np.cumsum(gaps)]
    return of_arrivals(one_by_one(times), tail, prompt_tokens)


def of_arrivals(arrivals: list[Arrival], tail: int = 0, prompt_tokens: int = 10) -> Record:
    """A request whose tokens came so, complete `tail` ns after the last."""
    tokens, end_ns = sum(one.tokens for one in arrivals), arrivals[-1].ns + tail
    return Record("r", "", "", tokens, prompt_tokens, "stop", 123, 123, arrivals, end_ns, 0)


def figures_of(
    records: list[Record], prices: TokenPrices | None = None, **facts: Any
) -> dict[str, Any]:
    """The figures of a measurement as its cell has them, facts of the device being `facts` too."""
    device_facts = facts.keys() & ScoredDevice.model_fields
    known = {key: one for key, one in facts.items() if key not in device_facts}
    measured = a_measurement(**{"kv_bytes_per_token": None, "weights_bytes": 0} | known)
    device = {key: one for key, one in facts.items() if key in device_facts}
    spec = ScoreSpec.model_construct(
        cell=Key(variant="v", model="v", quantization="native", device="d", task="t"),
        device=ScoredDevice(max_background_cores=0.5, **device),
        model=ScoredModel(prices=prices),
    )
    return figures.values(Measured(measured, spec, records), Needs.LATENCIES)


GAPS = st.lists(st.integers(1, 10**10), min_size=1, max_size=40)


@given(GAPS, st.integers(0, 10**9))
def test_parts_add_up(gaps: list[int], tail: int) -> None:
    """Latency is TTFT and the time of the other tokens; gaps are the ITL."""
    one = record(gaps, tail)
    assert ttft_s(one) == pytest.approx(gaps[0] / 1e9)
    assert latency_s(one) == pytest.approx((sum(gaps) + tail) / 1e9)
    assert itl_s(one) == pytest.approx([gap / 1e9 for gap in gaps[1:]])
    tpot = tpot_s(one)
    if len(gaps) == 1:
        assert tpot is None
    else:
        assert tpot is not None
        whole = ttft_s(one) + tpot * (len(gaps) - 1)  # type: ignore[operator]
        assert whole == pytest.approx(latency_s(one))


CHUNKS = st.lists(
    st.tuples(st.integers(1, 10**10), st.integers(1, 8)), min_size=1, max_size=40
).map(
    lambda chunks: [
        Arrival(ns, n)
        for ns, n in zip(accumulate(gap for gap, _ in chunks), (n for _, n in chunks), strict=True)
    ]
)


@given(CHUNKS, st.integers(0, 10**9))
def test_a_chunk_is_no_token(arrivals: list[Arrival], tail: int) -> None:
    """Only the last of several tokens that arrive together has a known time."""
    one = of_arrivals(arrivals, tail)
    times = np.repeat(*zip(*arrivals, strict=True)) / 1e9  # as if each had the last one's time
    assert ttft_s(one) == pytest.approx(times[0])
    assert itl_s(one) == pytest.approx(np.diff(np.unique(times)), rel=1e-6, abs=1e-9)
    later = times[arrivals[0].tokens :]
    tpot = tpot_s(one)
    assert (tpot is None) == (later.size == 0)
    if tpot is not None:
        assert tpot == pytest.approx((one.end_ns / 1e9 - times[0]) / later.size)
        assert tpot <= (one.end_ns - arrivals[0].ns) / 1e9 / (len(arrivals) - 1)


@given(st.lists(CHUNKS, min_size=1, max_size=20))
def test_gaps_of_chunks_are_marked(requests: list[list[Arrival]]) -> None:
    """A median gap between chunks is not taken for one between tokens."""
    records = [of_arrivals(arrivals) for arrivals in requests]
    gaps = np.concatenate([np.diff([one.ns for one in each]) for each in requests]) / 1e9
    found = figures_of(records)
    itl = found["itl_mean_s"]
    if gaps.size == 0:
        assert itl is None
        return
    assert itl["value"] == pytest.approx(gaps.mean())
    chunked = any(one.tokens > 1 for each in requests for one in each[1:])
    assert ("between arrivals of" in itl["method"]) == chunked
    tokens = sum(one.tokens for each in requests for one in each)
    assert found["tokens_per_arrival"] == pytest.approx(tokens / sum(map(len, requests)))
    rate = found["output_tokens_per_s"]["value"]
    assert rate == pytest.approx(tokens / sum(each[-1].ns / 1e9 for each in requests))


def test_no_token_no_time() -> None:
    """A request whose answer is empty has a latency, and nothing else; that is no fault."""
    empty = Record("r", "", "", 0, 9, "stop", 0, 0, [], 10**6, 0)
    timing = Timing([empty], [], Contention(foreign_cores=0, foreign_gpu_processes=None), 1)
    assert GATES.load("clock")().reason(timing) is None
    assert (latency_s(empty), ttft_s(empty)) == (1e-3, None)
    assert (tpot_s(empty), itl_s(empty)) == (None, [])
    found = figures_of([empty] * 50)
    assert found["requests_per_s"]["value"] == pytest.approx(1000)
    assert [found[name] for name in ("ttft_p50_s", "itl_mean_s", "mbu", "tokens_per_arrival")] == [
        None
    ] * 4


def test_statistics_are_numpys() -> None:
    """Tokens come in chunks of one to four; the expected values are computed independently."""
    rng = np.random.default_rng(7)
    starts = [rng.integers(1, 10**6, n).cumsum() for n in rng.integers(1, 30, 600)]
    chunks = [rng.integers(1, 5, len(times)) for times in starts]
    records = [
        of_arrivals([Arrival(int(ns), int(n)) for ns, n in zip(times, counts, strict=True)], 500)
        for times, counts in zip(starts, chunks, strict=True)
    ]
    ends = np.array([times[-1] + 500 for times in starts])
    firsts = np.array([times[0] for times in starts])
    later = np.array([counts[1:].sum() for counts in chunks])
    of = {
        "latency": ends, "ttft": firsts, "tpot": (ends - firsts)[later > 0] / later[later > 0],
        "itl": np.concatenate([np.diff(times) for times in starts]),
    }  # fmt: skip
    found = figures_of(records)
    for name, times in of.items():
        for q in (50, 90, 99):
            assert found[f"{name}_p{q}_s"]["value"] == pytest.approx(
                np.quantile(times, q / 100) / 1e9
            )
        assert found[f"{name}_mean_s"]["value"] == pytest.approx(times.mean() / 1e9)


def test_waiting_to_be_sent_counts() -> None:
    """Latency is counted from when a request was due, its parts from when it was sent."""
    late = replace(record([10, 10]), due_ns=23)
    assert latency_s(late) == pytest.approx(120e-9)
    assert (ttft_s(late), tpot_s(late)) == pytest.approx((10e-9, 10e-9))


@given(st.lists(GAPS, min_size=2, max_size=20))
def test_rates_are_rates_of_totals(requests: list[list[int]]) -> None:
    """Means of rates would be dominated by fast short requests."""
    records = [record(gaps) for gaps in requests]
    found = figures_of(records)["output_tokens_per_s"]
    tokens, seconds = sum(map(len, requests)), sum(map(sum, requests)) / 1e9
    assert found["value"] == pytest.approx(tokens / seconds)
    if found["low"] is None:
        assert "no interval: " in found["method"]
        return
    assert found["low"] <= found["value"] * (1 + 1e-9)
    assert found["high"] >= found["value"] * (1 - 1e-9)


def test_quantiles_are_null_where_the_sample_is_too_small() -> None:
    """Five requests know no median's interval, two hundred no p99's."""
    few = figures_of([record([1000, 1000])] * 5)
    mixed = np.random.default_rng(1).permutation(200)
    many = figures_of([record([1000 + int(n), 1000]) for n in mixed])
    median = many["latency_p50_s"]
    assert few["latency_p50_s"] is None
    assert median["low"] <= median["value"] <= median["high"]
    assert many["latency_p90_s"] is not None
    assert many["latency_p99_s"] is None


def test_a_steady_drift_leaves_a_median_without_an_interval() -> None:
    """Each request a little slower than the last: two hundred that say as much as a few."""
    found = figures_of([record([1000 + n, 1000]) for n in range(200)])["latency_p50_s"]
    assert found["value"] == pytest.approx(2099.5e-9)
    assert found["low"] is None
    assert "no interval" in found["method"]
    assert "lag-1 autocorrelation 0.97" in found["method"]


def test_times_are_looked_at_in_the_order_in_which_they_were_taken() -> None:
    """A measurement that was interrupted: its second session's clock begins again."""
    rng = np.random.default_rng(3)
    records = []
    for session in (0, 1):
        for place in range(100):
            gap = 10**6 + 10**4 * (100 * session + place) + int(rng.integers(10**4))
            one = vars(record([gap, gap])) | {
                "session": session,
                "due_ns": place * 10**7,
                "start_ns": place * 10**7,
            }
            records.append(Record(**one))
    shuffled = [records[place] for place in rng.permutation(200)]
    for time in figures.per_request():
        assert latency.summarize(time.value, shuffled) == latency.summarize(time.value, records)
    assert latency.inter_token_latency(shuffled) == latency.inter_token_latency(records)
    assert figures_of(records)["latency_p50_s"]["low"] is None


def test_the_first_of_a_session_is_no_ones_neighbour() -> None:
    """However many sessions of two requests: the dependence within each is seen."""
    rng = np.random.default_rng(6)
    levels = np.repeat(rng.normal(0, 0.3, 200), 2) + rng.normal(0, 0.05, 400)
    records = [
        Record(
            **vars(record([gap, 1000]))
            | {"session": place // 2, "due_ns": place, "start_ns": place}
        )
        for place, gap in enumerate((10**6 * np.exp(levels)).astype(int).tolist())
    ]
    times = [latency_s(one) for one in records]
    apart, together = latency.dependence(times, records), latency.serial(times)
    assert apart.lag1 > 0.9 > 0.6 > together.lag1
    joined = [Record(**vars(one) | {"session": 0}) for one in records]
    assert latency.dependence(times, joined).lag1 == pytest.approx(together.lag1, abs=0.02)


def test_gaps_of_one_request_are_a_cluster() -> None:
    """Slow requests have slow gaps: a thousand gaps of fifty requests are not a thousand."""
    rng = np.random.default_rng(4)
    records = [record([int(speed)] * 21) for speed in rng.lognormal(14, 0.5, 50)]
    found = figures_of(records)
    median = found["itl_p50_s"]
    assert "clustered by request" in median["method"]
    gaps = np.repeat([one.arrivals[0].ns / 1e9 for one in records], 20)
    of_requests = quantile_interval(gaps[::20], 0.5)
    assert of_requests is not None
    assert median["low"] == pytest.approx(of_requests.low, rel=0.2)
    assert median["high"] == pytest.approx(of_requests.high, rel=0.2)
    assert found["itl_mean_s"]["low"] < gaps.mean() < found["itl_mean_s"]["high"]
    assert found["itl_p99_s"] is None or found["itl_p99_s"]["low"] is None


def test_a_mean_of_few_says_what_it_cannot_show() -> None:
    rng = np.random.default_rng(5)
    times = [record([int(gap), 1000]) for gap in rng.lognormal(12, 0.3, 150)]
    few, many = (figures_of(times[:n])["latency_mean_s"] for n in (60, 150))
    assert "blind to slow requests rarer than 5%" in few["method"]
    assert "blind" not in many["method"]


def test_tpot_is_null_for_single_tokens() -> None:
    """No time per further token where there is none."""
    assert figures_of([record([1000])] * 50)["tpot_p50_s"] is None


def mbu(records: list[Record], **facts: Any) -> dict[str, float] | None:
    """The share of 100 GB/s that reading 10 MB for each token takes, but for the `facts`."""
    known = {"weights_bytes": 10**7, "kv_bytes_per_token": 0, "bandwidth_gb_s": 100}
    found: dict[str, float] | None = figures_of(records, **(known | facts))["mbu"]
    return found


def test_mbu_of_a_memory_bound_model() -> None:
    """Reading 10 MB of weights and 2 kB of cache a token in 1 ms from 100 GB/s is a tenth."""
    records = [record([10**6] * 21, prompt_tokens=0)] * 8
    found = mbu(records, weights_bytes=10**7 - 2100, kv_bytes_per_token=200)
    assert found is not None
    assert found["value"] == pytest.approx(0.1)
    slower = [record([10**6 + 10**4 * n] * 21, prompt_tokens=0) for n in (3, 0, 7, 1, 5, 2, 6, 4)]
    ranged = mbu(slower)
    times = figures_of(slower)["tpot_p50_s"]
    assert ranged is not None
    assert ranged["low"] == pytest.approx(1e7 / times["high"] / 1e11)
    assert ranged["high"] == pytest.approx(1e7 / times["low"] / 1e11)
    assert mbu(records, bandwidth_gb_s=None) is None
    assert mbu(records, kv_bytes_per_token=None) is None
    assert mbu([record([10])]) is None


def test_cost() -> None:
    """A thousand requests of one second at 3.6 an hour cost one."""
    alike = figures_of([record([10**9])] * 8, price_per_hour=3.6)["cost_per_1000_requests"]
    assert alike is not None
    assert alike["value"] == pytest.approx(1)
    assert alike["low"] is None
    assert "all requests are alike" in alike["method"]
    records = [record([10**9 + 10**7 * n]) for n in range(40)]
    found = figures_of(records, price_per_hour=3.6)["cost_per_1000_requests"]
    seconds = figures_of(records)["latency_mean_s"]
    assert found is not None
    for end in ("value", "low", "high"):
        assert found[end] == pytest.approx(seconds[end])
    assert figures_of([record([10**9])], price_per_hour=None)["cost_per_1000_requests"] is None


def test_cost_of_tokens() -> None:
    """The endpoint's counts are paid, cached ones at their own price; no clock is used."""
    prices = TokenPrices(input=2.0, cached_input=0.5, output=10.0)
    records = [
        replace(record([10**6] * (2 + n % 3), prompt_tokens=100 + n), cached_tokens=n % 2 * 50)
        for n in range(40)
    ]
    found = figures_of(records, prices)
    costs = [
        ((100 + n - n % 2 * 50) * 2 + n % 2 * 50 * 0.5 + (2 + n % 3) * 10) / 1e6 for n in range(40)
    ]
    thousand, million = (found[f"cost_per_{name}"] for name in ("1000_requests", "million_tokens"))
    assert thousand["value"] == pytest.approx(sum(costs) / 40 * 1000)
    assert thousand["low"] < thousand["value"] < thousand["high"]
    assert "price of the tokens" in thousand["method"]
    tokens = sum(2 + n % 3 for n in range(40))
    assert million["value"] == pytest.approx(sum(costs) / tokens * 1e6)
    slower = [replace(one, end_ns=one.end_ns * 7) for one in records]
    assert figures_of(slower, prices)["cost_per_1000_requests"] == thousand


def test_the_cost_of_a_token_by_the_hour() -> None:
    """A token of 10 ms at 36 an hour costs 0.0001."""
    records = [record([10**7] * (10 + n % 2)) for n in range(8)]
    found = figures_of(records, price_per_hour=36)["cost_per_million_tokens"]
    assert found["value"] == pytest.approx(100)
    assert figures_of(records)["cost_per_million_tokens"] is None


def test_a_failed_request_costs_nothing_of_a_thousand() -> None:
    """It has no answer, so a thousand answers are priced by the others."""
    prices = TokenPrices(input=2.0, output=10.0)
    good = [record([10**6] * 2, prompt_tokens=100)] * 4
    failed = replace(good[0], id="failed", failure="HTTP 500", tokens=0, arrivals=[])
    alike = [figures_of(some, prices)["cost_per_1000_requests"] for some in (good, [*good, failed])]
    assert alike[0]["value"] == pytest.approx(alike[1]["value"]) == pytest.approx(0.22)


def test_the_share_of_prompts_that_was_cached() -> None:
    """Over the requests for which a server says it; nothing is taken for none."""
    one = record([10**6], prompt_tokens=40)
    some = [replace(one, cached_tokens=30), replace(one, cached_tokens=0), one]
    assert figures_of(some)["cached_prompt_share"] == pytest.approx(30 / 80)
    assert figures_of([one])["cached_prompt_share"] is None
