"""MBU and MFU, against what the vendor says and what was measured on the host."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from frontier import figures
from frontier.arrivals import one_by_one
from frontier.figures import Measured, Needs
from frontier.results.key import Key
from frontier.results.records import Record
from frontier.specs.score import ScoredDevice, ScoredModel, ScoreSpec
from measurements import a_measurement, session

LIMITS = {"read_gb_s": 50.0, "matrix_tflop_s": {"float32": 0.5, "bfloat16": 2.0}}
"""Half of the nominal ones below."""
DEVICE = {"bandwidth_gb_s": 100.0, "tflop_s": {"float32": 1.0, "bfloat16": 4.0}}


def record(ttft_ms: int = 10, prompt: int = 100, **facts: Any) -> Record:
    """A request whose ten further tokens come every millisecond."""
    arrivals = one_by_one([(ttft_ms + n) * 10**6 for n in range(11)])
    end_ns = arrivals[-1].ns
    one = Record("1", "", "", 11, prompt, "stop", 0, 0, arrivals, end_ns, 0)
    return replace(one, **facts)


def found(
    records: list[Record], model: ScoredModel | None = None, device: Any = DEVICE, **facts: Any
) -> dict[str, Any]:
    """The figures of 1 million parameters in 4 MB on a machine with these limits."""
    known = {"weights_bytes": 4_000_000, "kv_bytes_per_token": 0, "parameters": 10**6}
    known |= {"ceilings": LIMITS} | facts
    spec = ScoreSpec.model_construct(
        cell=Key(variant="v", model="v", quantization="native", device="d", task="t"),
        device=ScoredDevice(max_background_cores=0.5, **device),
        model=model or ScoredModel(),
    )
    return figures.values(Measured(a_measurement(**known), spec, records), Needs.LATENCIES)


def test_shares_of_both_limits() -> None:
    """2 x 10^6 x 100 operations in 10 ms are 0.02 TFLOP/s; 2 x 10^6 x 10 in 10 ms 0.002."""
    all_of = found([record()] * 8)
    for name, share in {
        "mfu_prefill": 0.02, "mfu": 0.002, "mbu_prefill": 0.004, "mbu": 0.04,
    }.items():  # fmt: skip
        assert all_of[name]["value"] == pytest.approx(share), name
        assert all_of[f"{name}_measured"]["value"] == pytest.approx(2 * share), name
    assert all_of["ceiling_read_gb_s"] == 50
    assert all_of["ceiling_tflop_s"] == 0.5


def test_the_rate_of_the_totals() -> None:
    """All work over all time: 100 tokens in 10 ms and 300 in 90 ms are 4 tokens a millisecond."""
    share = found([record(10, 100), record(90, 300)] * 4)["mfu_prefill"]
    assert share["value"] == pytest.approx(2 * 10**6 * 4000 / 1e12)
    assert share["low"] < share["value"] < share["high"]


def test_what_is_not_computed_does_not_count() -> None:
    """Prompt tokens of a server's cache, inactive experts."""
    cached = found([record(cached_tokens=50)] * 8)
    assert cached["mfu_prefill"]["value"] == pytest.approx(0.01)
    active = found([record()] * 8, ScoredModel(active_share=0.25, parameters=250_000))
    assert active["mfu"]["value"] == pytest.approx(0.002 / 4)
    assert active["mbu"]["value"] == pytest.approx(0.01)
    assert active["mbu_prefill"] is None


MIXTURE = {"count": 8, "used": 2, "bytes": 3_200_000, "parameters": 800_000}
"""Experts of 3.2 of the 4 MB; 6 of 8 rest for each token."""

APART = [record(start_ns=n * 10**9) for n in range(8)]


def test_experts_that_rest_are_not_read() -> None:
    """1.6 MB and 0.4 million parameters for a token; the bound is said."""
    counted = found(APART, experts=MIXTURE)
    assert counted["mbu"]["value"] == pytest.approx(0.04 * 0.4)
    assert counted["mfu"]["value"] == pytest.approx(0.002 * 0.4)
    assert counted["mfu_prefill"]["value"] == pytest.approx(0.02 * 0.4)
    assert counted["mbu_prefill"] is None
    assert counted["read_share"] == pytest.approx(0.4)
    assert counted["experts"] == "2 of 8 in a layer; mbu counts these, by names of tensors"
    together = [record(start_ns=n) for n in range(4)]
    assert found(together, experts=MIXTURE)["experts"].endswith(
        "the least of a step, which served up to 4 requests"
    )
    assert found(APART)["experts"] is None


def test_experts_that_nobody_counted_have_no_share() -> None:
    """All of a mixture's weights would be a wrong figure; the catalogue may know better."""
    unknown = {"count": 8, "used": 2, "missing": "no tensor is named as one of an expert"}
    none = found(APART, ScoredModel(parameters=10**6), experts=unknown)
    assert none["mbu"] is none["mfu"] is none["mfu_prefill"] is none["read_share"] is None
    assert none["experts"] == (
        "2 of 8 in a layer; mbu is missing: no tensor is named as one of an expert"
    )
    catalogue = ScoredModel(active_share=0.25, parameters=250_000)
    known = found(APART, catalogue, experts=unknown)
    assert known["mbu"]["value"] == pytest.approx(0.01)
    assert known["mfu"]["value"] == pytest.approx(0.002 / 4)
    assert known["experts"].endswith("by the catalogue's parameters")
    both = found(APART, catalogue, experts=MIXTURE)
    assert both["mbu"]["value"] == pytest.approx(0.04 * 0.4), "bytes are counted"
    assert both["mfu"]["value"] == pytest.approx(0.002 / 4)
    other = found(APART, experts={"missing": "its settings do not say how many"})
    assert other["experts"] == "unknown; mbu is missing: its settings do not say how many"


def test_the_rate_is_that_of_the_activations() -> None:
    """The same for quantized weights; None for a precision whose rate is unknown."""
    half = found([record()] * 8, dtype="bfloat16")
    assert half["mfu"]["value"] == pytest.approx(0.0005)
    other = found([record()] * 8, dtype="float16")
    assert other["mfu"] is other["mfu_measured"] is other["ceiling_tflop_s"] is None
    assert other["mbu_measured"] is not None


def test_unknown_is_null() -> None:
    """Parameters, limits, requests with one token."""
    none = found([record()] * 8, parameters=None)
    assert none["mfu"] is none["mfu_prefill_measured"] is None
    by_catalogue = found([record()] * 8, ScoredModel(parameters=10**6), parameters=None)
    assert by_catalogue["mfu"]["value"] == pytest.approx(0.002)
    nominal = found([record()] * 8, device={})
    assert nominal["mbu"] is nominal["mfu"] is None
    assert nominal["mbu_measured"]["value"] == pytest.approx(0.08)
    assert found([record()])["mfu_prefill"]["low"] is None
    short = found([record(tokens=1, arrivals=one_by_one([10**7]), end_ns=10**7)] * 8)
    assert short["mfu"] is short["mbu_measured"] is None
    assert short["mfu_prefill"] is not None
    assert found([])["mfu"] is None


def sessions(*known: dict[str, Any] | None) -> dict[str, Any]:
    """Sessions with these limits, each of which timed requests."""
    loads = [{"session": n, "requests": 4, "foreign_cores": 0.0} for n in range(len(known))]
    contention = {"foreign_cores": 0.0, "foreign_gpu_processes": None, "sessions": loads}
    return {
        "contention": contention,
        "sessions": [session(n, loaded={"ceilings": one} if one else {}) for n, one in enumerate(known)],
    }  # fmt: skip


@pytest.mark.parametrize(("facts", "reason"), [
    (sessions(LIMITS, LIMITS), None),
    (sessions(LIMITS, LIMITS | {"read_gb_s": 51.0}), "several machines"),
    (sessions(LIMITS, None), "several machines"),
    (sessions(LIMITS, {"missing": "no torch"}), "no torch"),
    (sessions(None), "earlier release"),
    ({"ceilings": {"missing": "an endpoint's hardware is unknown"}}, "endpoint"),
    ({"ceilings": LIMITS | {"foreign_cores": 0.7}}, "0.7 cores"),
])  # fmt: skip
def test_limits_of_another_machine_are_not_taken(facts: dict[str, Any], reason: str | None) -> None:
    """The limits are those of the sessions that timed the requests, or missing with the reason."""
    all_of = found([record()] * 8, **facts)
    if reason is None:
        assert all_of["mbu_measured"] is not None
        return
    assert all_of["ceilings"].startswith("missing: ")
    assert reason in all_of["ceilings"]
    assert all_of["mbu_measured"] is all_of["mfu_measured"] is all_of["ceiling_read_gb_s"] is None
    assert all_of["mbu"] is not None
