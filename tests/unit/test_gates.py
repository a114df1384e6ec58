"""Gates: which measurements are published, in which order faults are named, and in which words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontier.arrivals import Arrival, one_by_one
from frontier.client.exactness import allowed_s, is_exact
from frontier.errors import UserError
from frontier.gates import GATES, Timing, first_reason, in_order
from frontier.results.records import Record
from measurements import WARM_UP, a_measurement, session

REQUESTS, MOST = 40, 0.5


def records(*changed: dict[str, Any]) -> list[Record]:
    """Forty requests, of which the first are changed so."""
    whole = Record(
        "r", "", "yes", 1, 9, "stop", 0, 0, [Arrival(10**6, 1)], 2 * 10**6, 0, foreign_cores=0.1
    )
    return [replace(whole, **facts) for facts in changed] + [whole] * (REQUESTS - len(changed))


def timing(
    requests: Sequence[Record] | None = None,
    processes: Sequence[dict[str, Any]] = (session(0),),
    **load: Any,
) -> Timing:
    """A measurement that passes every gate, but for what is given."""
    contention = {"foreign_cores": 0.05, "foreign_gpu_processes": None} | load
    measured = a_measurement(sessions=[*processes], contention=contention)
    limits = {"max_drift": 0.2, "max_slowed": 0.05}
    return Timing.of(measured, requests or records(), MOST, **limits)


@pytest.mark.parametrize("name", GATES.names())
def test_contract_of_every_gate(name: str) -> None:
    """It passes what nothing is wrong with, at once and of one session; its place is its own."""
    gate = GATES.load(name)()
    assert gate.reason(timing()) is None
    assert gate.reason(timing(processes=[session(0), session(1)])) is None
    same = [other for other in in_order() if other.ORDER == gate.ORDER]
    assert [type(other) for other in same] == [type(gate)], "another gate has the same ORDER"


def seen(**conditions: Any) -> dict[str, Any]:
    """A session with these conditions, and a server without a prefix cache."""
    server = {"name": "served", "prefix_cache": False}
    facts = {"intervals": 10} | conditions
    return session(0, loaded={"warmup": WARM_UP, "conditions": facts, "server": server})


def slower(requests: list[Record], last: int = REQUESTS // 3) -> list[Record]:
    """The same requests, of which the last ones take half as long again."""
    ended = [replace(one, end_ns=one.end_ns * 3 // 2) for one in requests[-last:]]
    return requests[:-last] + ended


UNSETTLED = WARM_UP | {"settled": False, "requests": 9}


def settled(number: int, asked: bool) -> dict[str, Any]:
    """A session that had not settled."""
    return session(number, loaded={"warmup": WARM_UP | {"settled": not asked, "requests": 9}})


SLOW = {"arrivals": [Arrival(50 * 10**6, 1)], "end_ns": 60 * 10**6, "late_ns": (0, 10**6, 0)}
PASS = {"requests": REQUESTS - 2, "failed": 1, "tokens": 38, "seconds": 2.0}
LOADED = [{"foreign_cores": 2.0}]
LOST = {"failure": "HTTP 503: overloaded", "text": "", "tokens": 0, "arrivals": []}
WITHHELD = {**LOST, "failure": "HTTP 400: content_filter", "finish_reason": "content_filter"}
DOUBTED = {"doubts": ("counts: 9 tokens by the server, 5 by what it sent",)}
FAULTS: dict[str, tuple[Timing, str]] = {
    "failures": (
        timing(records(LOST, LOST)),
        "failures: 2 of 40 requests had no answer, and none may fail; the first: HTTP 503: overloaded",
    ),
    "warm_up": (timing(processes=[settled(0, True)]), "warm-up: latency had not settled after 9 requests"),
    "contention": (timing(foreign_cores=1.86), "contention: other processes used 1.86 cores on average, more than 0.5"),
    "throttling": (
        timing(processes=[seen(throttled=2, throttled_by=["core_throttle_count"])]),
        "throttling: the hardware was slowed in 20% of the time (core_throttle_count)",
    ),
    "power": (
        timing(processes=[seen(power={"supply": "mains"}, changed={"supply": "battery"})]),
        "power: supply changed from 'mains' to 'battery'",
    ),
    "shared_gpu": (timing(foreign_gpu_processes=2), "contention: 2 other processes on the GPU"),
    "swapping": (
        timing(processes=[seen(swapped=1, swapped_bytes=9_000_000)]),
        "swapping: in 10% of the time (9 MB in all)",
    ),
    "pauses": (timing(records({"paused": True})), "pause: the process was paused during 1 of 40 requests"),
    "passes": (
        timing(processes=[session(0, loaded={"warmup": WARM_UP, "passes": [PASS]})]),
        "pass: it was interrupted, and continued with 39 of 40 requests",
    ),
    "sessions": (
        timing(processes=[session(0), session(1, hardware={"cpu": "Other"})]),
        "hardware: an interrupted measurement continued on another machine",
    ),
    "drift": (timing(slower(records())), "drift: the last third of the requests was 50% slower than the first"),
    "clock": (timing(records({"end_ns": 5})), "request r: its times run backwards"),
    "cache_hits": (
        timing(records({"cached_tokens": 8}), [seen()]),
        "cache: 1 of 40 requests had a part of the prompt in a cache that is turned off",
    ),
    "doubts": (timing(records(DOUBTED)), f"doubts: 1 of 40 requests; the first: {DOUBTED['doubts'][0]}"),
    "too_few": (
        replace(timing(), percentile=99.0),
        "too few: the interval of the 99th percentile needs 368 requests, and there are 40",
    ),
    "client": (
        timing(records(*[SLOW] * 4)),
        "client: it was late; the mean TTFT of 50.0 ms may be wrong by 1.0 ms",
    ),
}  # fmt: skip
"""A fault that only one gate finds, by the gate's name, in the order of the gates."""


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_found_by_its_gate_alone(name: str) -> None:
    found, words = FAULTS[name]
    reasons = {GATES.name_of(type(gate)): gate.reason(found) for gate in in_order()}
    assert {name: reason for name, reason in reasons.items() if reason} == {name: words}
    assert first_reason(found) == words


def test_the_first_fault_names_the_reason() -> None:
    """The order is that of FAULTS, however many faults there are."""
    assert [GATES.name_of(type(gate)) for gate in in_order()] == list(FAULTS)
    unsettled = seen(throttled=9, swapped=9, power={"a": "1"}, changed={"a": "2"})
    unsettled["loaded"] |= {"passes": [PASS], "warmup": UNSETTLED}
    sessions = [unsettled, session(1, hardware={"cpu": "Other"})]
    wrong = {"paused": True, "end_ns": 5, "late_ns": (0, 10**6, 0), "cached_tokens": 8}
    requests = records(wrong, LOST, DOUBTED, *[{}] * 16, *[SLOW] * 4)
    load = {"foreign_cores": 9.0, "foreign_gpu_processes": 2}
    everything = replace(timing(slower(requests), sessions, **load), percentile=99.0)
    gates = in_order()
    reasons = [gate.reason(everything) for gate in gates]
    assert all(reasons)
    assert first_reason(everything) == reasons[0]


def test_one_session_is_not_asked_what_only_several_can_say() -> None:
    """Gates that compare sessions do not apply to a single one."""
    found, words = FAULTS["sessions"]
    assert first_reason(found) == words
    assert first_reason(found, one_session=True) is None


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ([], None),
        (LOADED * 2, None),
        (LOADED * 3, "contention: during 8% of the requests other processes used more than 0.5"),
        ([{"foreign_cores": None}] * 40, None),
        ([{"attempts": 3}], None),
        ([{"paused": True}], "pause: the process was paused during 1 of 40 requests"),
    ],
)
def test_what_disturbed_requests_make_of_a_cell(
    changed: list[dict[str, Any]], words: str | None
) -> None:
    """Few under load may be; on average, or that a pause is in a time, may not."""
    found = first_reason(timing(records(*changed)))
    assert found is None if words is None else words in str(found)


@pytest.mark.parametrize(
    ("asked", "facts", "loads", "words"),
    [
        (20, {}, (0.1, 0.4), None),
        (20, {"loaded": {"warmup": UNSETTLED}}, (0.1, 0.1), "after 9 requests"),
        (0, {"loaded": {"warmup": UNSETTLED}}, (0.1, 0.1), None),
        (20, {"loaded": {}}, (0.1, 0.1), "a session that records none"),
        (0, {"loaded": {}}, (0.1, 0.1), None),
        (20, {"hardware": {"cpu": "Other"}}, (0.1, 0.1), "on another machine"),
        (20, {"packages": {"torch": "1"}}, (0.1, 0.1), "with other versions"),
        (20, {"weights_sha256": "1"}, (0.1, 0.1), "weights: "),
        (20, {"packages": {"torch": "1"}, "adopted": [{"because": "checked"}]}, (0.1, 0.1), None),
        (20, {}, (0.1, 0.8), "used 0.80 cores"),
        (2, {}, (0.1, 0.8), None),  # too few to be seen in any figure
    ],
)  # fmt: skip
def test_gates_look_at_each_session(
    asked: int, facts: dict[str, Any], loads: tuple[float, float], words: str | None
) -> None:
    """Faults in a single session, which do not show over all requests."""
    requests = [replace(one, session=int(place < asked)) for place, one in enumerate(records())]
    counts = REQUESTS - asked, asked
    of_sessions = [
        {"session": number, "requests": count, "foreign_cores": load}
        for number, (count, load) in enumerate(zip(counts, loads, strict=True))
    ]
    processes = [session(0), session(1, **facts)]
    found = first_reason(timing(requests, processes, foreign_cores=0.2, sessions=of_sessions))
    assert found is None if words is None else words in str(found)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"arrivals": [Arrival(5, 3), Arrival(5, 1)], "tokens": 4}, None),
        ({"arrivals": one_by_one([10, 5])}, "backwards"),
        ({"end_ns": 9}, "backwards"),
        ({"due_ns": 124}, "backwards"),
        ({"tokens": 3}, "3 tokens, of which 2 have arrived"),
        ({"arrivals": []}, "2 tokens, of which 0 have arrived"),
        ({"arrivals": [Arrival(5, 2), Arrival(10, 0)]}, "an arrival without a token"),
    ],
)
def test_times_that_cannot_be(wrong: dict[str, Any], words: str | None) -> None:
    """Times that run backwards, and arrivals that do not have the tokens, are found."""
    good = Record("r", "", "", 2, 9, "stop", 123, 123, one_by_one([5, 10]), 10, 0)
    found = GATES.load("clock")().reason(timing([good, replace(good, **wrong)]))
    assert found is None if words is None else words in str(found)


CHUNKS = st.lists(st.tuples(st.integers(0, 10**10), st.integers(1, 8)), max_size=40)


@given(CHUNKS, st.integers(0, 10**9))
def test_a_chunk_of_several_tokens_is_in_order(chunks: list[tuple[int, int]], tail: int) -> None:
    arrivals = [Arrival(ns, tokens) for ns, tokens in sorted(chunks)]
    tokens, end = sum(one.tokens for one in arrivals), max((one.ns for one in arrivals), default=0)
    whole = Record("r", "", "", tokens, 9, "stop", 123, 123, arrivals, end + tail, 0)
    assert GATES.load("clock")().reason(timing([whole])) is None


def test_what_was_not_timed_has_no_timing() -> None:
    """A measurement whose sessions all ended before their end was recorded."""
    without = a_measurement(contention=None)
    with pytest.raises(UserError, match=r"measurement\.json: contention: missing"):
        Timing.of(without, records(), MOST)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"late_ns": (0, 100_000, 100_000)}, None),  # a tenth of a millisecond
        ({"late_ns": (0, 0, 260_000)}, "client: it was late; the mean latency of 2.0 ms may be wrong by 0.3 ms"),
        ({"late_ns": (200_000, 60_000, 0)}, "client: it was late; the mean TTFT of 1.0 ms may be wrong by 0.3 ms"),
        ({"late_ns": (0, 0, 0), "start_ns": 300_000}, "client: it was late; the mean latency of 2.3 ms may be wrong by 0.3 ms"),
        ({"late_ns": (0, 0, 0), "start_ns": 300_000, "retries": 1}, None),  # a server's fault
        ({"start_ns": 300_000}, None),  # an engine in this process works on another request
        ({"late_ns": (0,)}, "request r: the bounds of its times are not those of its arrivals"),
        (
            {"late_ns": (0, 0, 900_000, 0), "tokens": 2, "arrivals": [Arrival(10**6, 1), Arrival(2 * 10**6, 1)]},
            "client: it was late; the mean ITL of 1.0 ms may be wrong by 0.9 ms",
        ),
        ({"late_ns": (0, 0), "tokens": 0, "arrivals": []}, None),
    ],
)  # fmt: skip
def test_what_a_client_cannot_vouch_for(changed: dict[str, Any], words: str | None) -> None:
    """Times whose bounds are as far off as a figure may not be, in all requests."""
    assert first_reason(timing(records(*[changed] * REQUESTS))) == words


def test_permitted_errors() -> None:
    """The smaller one of a millisecond and a percent, but for the slightest."""
    permitted = {0.001: 0.25, 0.025: 0.25, 0.05: 0.5, 0.1: 1.0, 1.0: 1.0, 2.0: 2.0}
    assert {seconds: allowed_s(seconds) * 1000 for seconds in permitted} == pytest.approx(permitted)
    assert is_exact((), 10**6)
    assert is_exact((0, 500_000, 0), 50 * 10**6)
    assert not is_exact((0, 500_001, 0), 50 * 10**6)


def test_as_many_requests_may_fail_as_the_block_says() -> None:
    """The share of the engine's block, and not one more; what a filter withheld is no failure."""
    for lost, share, fails in ((2, 0.05, False), (3, 0.05, True), (1, 0.0, True), (0, 0.0, False)):
        found = replace(timing(records(*[LOST] * lost, *[WITHHELD] * 9)), max_failed=share)
        assert (first_reason(found) is not None) is fails


@pytest.mark.parametrize(
    ("conditions", "words"),
    [
        ({"throttled": 1, "intervals": 20}, None),
        ({"throttled": None}, None),  # what cannot be read is no fault
        ({"clock_mhz": (3000.0, 2750.0)}, None),
        ({"clock_mhz": (3000.0, 2600.0)}, "throttling: the clock fell from 3000 to 2600 MHz"),
        ({"clock_mhz": (2600.0, 3000.0)}, None),
        ({"swapped": None}, None),
        ({"swapped": 1, "intervals": 1, "swapped_bytes": 10**7}, "swapping: in 100% of the time (10 MB in all)"),
    ],
)  # fmt: skip
def test_what_the_machine_does_meanwhile(conditions: dict[str, Any], words: str | None) -> None:
    found = timing(processes=[seen(**conditions)])
    assert first_reason(found) == words
    assert first_reason(replace(found, max_slowed=1.0)) is None


def test_settings_that_change_between_sessions() -> None:
    """No change is seen where a session does not know them, or another asked nothing."""
    others = [seen(power={"governor": "powersave"}) | {"session": 1}, session(2)]
    both = [replace(one, session=place % 2) for place, one in enumerate(records())]
    processes = [seen(power={"governor": "performance"}), *others]
    words = "power: governor changed from 'performance' to 'powersave'"
    assert first_reason(timing(both, processes)) == words
    assert first_reason(timing(records(), processes)) is None


@pytest.mark.parametrize("name", GATES.names())
def test_what_is_asked_again_is_of_the_measurement(name: str) -> None:
    """A part of its requests, or none; never another's."""
    found, _ = FAULTS.get(name, (timing(), ""))
    again = GATES.load(name)().again(found)
    assert {one.id for one in again} <= {one.id for one in found.records}
    if name in ("pauses", "clock", "doubts"):
        assert len(again) == 1
    if name in ("cache_hits", "too_few"):
        assert not again
