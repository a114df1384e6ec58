"""From token times to latencies, against independent arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontier import timing
from frontier.records import Record


def record(gaps: list[int], tail: int = 0, prompt_tokens: int = 10) -> Record:
    """A request whose tokens came after these gaps (ns), complete `tail` ns after the last."""
    times = [int(time) for time in np.cumsum(gaps)]
    return Record("r", "", "", len(gaps), prompt_tokens, "stop", 123, times, times[-1] + tail, 0)


GAPS = st.lists(st.integers(1, 10**10), min_size=1, max_size=40)


@given(GAPS, st.integers(0, 10**9))
def test_parts_add_up(gaps: list[int], tail: int) -> None:
    """Latency is TTFT and the time of the other tokens; gaps are the ITL."""
    one = record(gaps, tail)
    assert timing.ttft_s(one) == pytest.approx(gaps[0] / 1e9)
    assert timing.latency_s(one) == pytest.approx((sum(gaps) + tail) / 1e9)
    assert timing.itl_s(one) == pytest.approx([gap / 1e9 for gap in gaps[1:]])
    tpot = timing.tpot_s(one)
    if len(gaps) == 1:
        assert tpot is None
    else:
        assert tpot is not None
        whole = timing.ttft_s(one) + tpot * (len(gaps) - 1)  # type: ignore[operator]
        assert whole == pytest.approx(timing.latency_s(one))


@given(st.lists(GAPS, min_size=2, max_size=20))
def test_rates_are_rates_of_totals(requests: list[list[int]]) -> None:
    """Not means of rates, which fast short requests would dominate."""
    records = [record(gaps) for gaps in requests]
    found = timing.throughput(records)["output_tokens_per_s"]
    tokens, seconds = sum(map(len, requests)), sum(map(sum, requests)) / 1e9
    assert found["value"] == pytest.approx(tokens / seconds)
    assert found["low"] <= found["value"] * (1 + 1e-9)
    assert found["high"] >= found["value"] * (1 - 1e-9)


def test_quantiles_are_null_where_the_sample_is_too_small() -> None:
    """Five requests know no median's interval, two hundred no p99's."""
    few = timing.latency([record([1000, 1000])] * 5)["end_to_end_s"]
    many = timing.latency([record([1000 + n, 1000]) for n in range(200)])["end_to_end_s"]
    assert few["p50"] is None
    assert many["p50"]["low"] <= many["p50"]["value"] <= many["p50"]["high"]
    assert many["p90"] is not None
    assert many["p99"] is None


def test_tpot_is_null_for_single_tokens() -> None:
    """No time per further token where there is none."""
    assert timing.latency([record([1000])] * 50)["tpot_s"]["p50"] is None


def test_mbu_of_a_memory_bound_model() -> None:
    """Reading 10 MB of weights and 2 kB of cache a token in 1 ms from 100 GB/s is a tenth."""
    records = [record([10**6] * 21, prompt_tokens=0)] * 8
    found = timing.mbu(records, 10_000_000 - 10.5 * 200, 200, 100)
    assert found == pytest.approx(0.1)
    assert timing.mbu(records, 1e7, 200, None) is None
    assert timing.mbu([record([10])], 1e7, 200, 100) is None


def test_cost() -> None:
    """A thousand requests of one second at 3.6 an hour cost one."""
    assert timing.cost_per_1000([record([10**9])] * 3, 3.6) == pytest.approx(1)
    assert timing.cost_per_1000([record([10**9])], None) is None


def test_disorder() -> None:
    """Times that run backwards, or are not as many as the tokens, are found."""
    good = record([5, 5])
    assert timing.disorder(good) is None
    assert "backwards" in str(timing.disorder(Record(**(vars(good) | {"token_ns": [10, 5]}))))
    assert "tokens" in str(timing.disorder(Record(**(vars(good) | {"tokens": 3}))))
