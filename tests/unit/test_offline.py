"""MLPerf's Offline: complete passes over all requests at once, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import pytest

from frontier import figures, gates, scenarios
from frontier.arrivals import one_by_one
from frontier.catalogue.devices import Warmup
from frontier.engines import (
    Due,
    Failed,
    Generate,
    Generation,
    Loaded,
    LoadedModel,
    ServerFacts,
)  # fmt: skip
from frontier.errors import OutOfMemoryError
from frontier.figures import Measured, Needs
from frontier.figures.common import throughput
from frontier.gates import Timing, first_reason
from frontier.identity.code import code
from frontier.measuring.contention import Watch
from frontier.measuring.pauses import Pauses
from frontier.results.journal import Journal
from frontier.results.records import Record
from frontier.results.session import Pass
from frontier.scenarios import Bench
from frontier.scenarios.offline import PASSES, Asked, Offline
from frontier.specs.score import ScoreSpec
from measurements import a_measurement, a_session, session

REQUESTS = {f"r{number}": Generate(f"prompt {number}", 3) for number in range(12)}
ALL = len(REQUESTS)


@dataclass
class Batches(LoadedModel):
    """Answers four requests at once, in 8 ms; `text` gives each one's from its number of calls."""

    text: Callable[[str, int], str] = lambda prompt, _: prompt
    fails_at: int | None = None
    asked: list[str] = field(default_factory=list)
    loaded: Loaded = field(default_factory=lambda: Loaded(None, None, None))

    def render(self, prompt: str) -> str:
        return prompt

    def generate(self, request: Generate) -> Generation:
        raise AssertionError("all are asked at once")

    def answer(self, requests: Sequence[Due]) -> Iterator[tuple[str, Generation | Failed]]:
        waiting = list(requests)
        assert {one.due_ns for one in waiting} == {waiting[0].due_ns}
        while waiting:
            batch, waiting = waiting[-4:], waiting[:-4]
            start = time.perf_counter_ns()
            time.sleep(0.008)
            ns = time.perf_counter_ns() - start
            for one in batch:
                prompt = one.request.prompt
                if len(self.asked) == self.fails_at:
                    raise OutOfMemoryError("too much")
                self.asked.append(prompt)
                if prompt == "prompt 7" and self.fails_at == -1:
                    yield one.id, Failed("HTTP 500", start, ns)
                    continue
                text = self.text(prompt, self.asked.count(prompt))
                times = one_by_one([ns // 2, ns])
                yield one.id, Generation(text, 2, "stop", start, times, ns)


def measured(folder: Path, model: LoadedModel, pauses: Pauses | None = None) -> Journal:
    """The journal of a measurement, read again."""
    journal = Journal(folder / "journal.jsonl", a_session())
    with pauses or Pauses() as watched:
        Offline().measure(Bench(model, REQUESTS, journal, Watch("cpu"), watched, "cell"))
    return Journal(folder / "journal.jsonl", a_session())


def passes(journal: Journal) -> list[Pass]:
    return [one for number in sorted(journal.facts) for one in journal.facts[number].loaded.passes]


def test_all_are_due_at_once_in_every_pass(tmp_path: Path) -> None:
    """The records are the first pass's; the times of all passes are known."""
    model = Batches(text=lambda prompt, time: prompt if time < 3 else f"{prompt}!")
    journal = measured(tmp_path, model)
    assert {model.asked.count(one.prompt) for one in REQUESTS.values()} == {PASSES}
    assert [one.text for one in journal.records] == model.asked[:ALL]
    assert len({one.due_ns for one in journal.records}) == 1
    found = passes(journal)
    assert [one.requests for one in found] == [ALL] * PASSES
    assert [one.tokens for one in found] == [2 * ALL] * PASSES
    assert [one.changed for one in found] == [0, 0, ALL]
    assert all(one.seconds >= 0.024 for one in found)
    first = journal.records
    wall = max(one.start_ns + one.end_ns for one in first) - first[0].due_ns
    assert found[0].seconds == pytest.approx(wall / 1e9)
    assert throughput.at_once(first) == 4


@pytest.mark.parametrize("fails_at", [5, ALL + 5])
def test_only_complete_passes_count(fails_at: int, tmp_path: Path) -> None:
    """An interrupted pass starts again; complete ones before it do not."""
    with pytest.raises(OutOfMemoryError):
        measured(tmp_path, Batches(fails_at=fails_at))
    model = Batches()
    journal = measured(tmp_path, model)
    complete = fails_at // ALL
    assert len(model.asked) == (PASSES - complete) * ALL
    assert [one.requests for one in passes(journal)] == [ALL] * PASSES
    assert {one.session for one in journal.records} == {0 if complete else 1}
    assert len(journal.records) == ALL


def test_a_pass_without_its_facts_is_repeated(tmp_path: Path) -> None:
    """Nothing is left of a process that was killed while it wrote the first pass."""
    measured(tmp_path, Batches())
    path = tmp_path / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[: 1 + ALL // 2]))
    model = Batches()
    journal = measured(tmp_path, model)
    assert len(model.asked) == PASSES * ALL
    assert {one.session for one in journal.records} == {1}


def test_a_request_without_an_answer_counts_as_none(tmp_path: Path) -> None:
    journal = measured(tmp_path, Batches(fails_at=-1))
    assert [(one.requests, one.failed) for one in passes(journal)] == [(ALL - 1, 1)] * PASSES
    assert [one.id for one in journal.records if one.failure] == ["r7"]


@pytest.mark.parametrize(("stood_still", "asked"), [([True], 2), ([True] * 3, 3)])
def test_a_pause_repeats_the_pass(
    stood_still: list[bool], asked: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Up to three times; then it is marked."""
    model, pauses, answers = Batches(), Pauses(), chain(stood_still, repeat(False))
    monkeypatch.setattr(pauses, "during", lambda *_: next(answers))
    journal = measured(tmp_path, model, pauses)
    assert len(model.asked) == (PASSES + asked - 1) * ALL
    still = asked == len(stood_still)
    assert {(one.attempts, one.paused) for one in journal.records} == {(asked, still)}
    assert [one.paused for one in passes(journal)] == [still, False, False]


@pytest.mark.parametrize(("cache", "times"), [(False, PASSES), (True, 1), (None, 1)])
def test_a_server_with_a_prefix_cache_is_asked_once(
    cache: bool | None, times: int, tmp_path: Path
) -> None:
    """It would have the prompts of the next passes in its cache."""
    facts = Loaded(None, None, None, server=ServerFacts("server", prefix_cache=cache))
    journal = measured(tmp_path, Batches(loaded=facts))
    assert len(passes(journal)) == times


def test_the_warm_up_asks_at_once(tmp_path: Path) -> None:
    """The same longest requests in each round."""
    requests = [*REQUESTS.values(), Generate("the longest prompt of all", 3)]
    model = Batches()
    limits = Warmup(minimum=2, maximum=15, tolerance=50.0)
    found = Offline().warm_up(model, requests, limits)
    assert (found.requests, found.settled) == (10, True)
    assert "the longest prompt of all" in model.asked[:5]
    assert sorted(model.asked[:5]) == sorted(model.asked[5:])
    never = Offline().warm_up(Batches(), requests, Warmup(minimum=2, maximum=15, tolerance=1e-9))
    assert (never.requests, never.settled) == (15, False)


@pytest.mark.parametrize("cache", [True, None])
@pytest.mark.parametrize("scenario", ["offline", "server", "single-stream"])
def test_no_prompt_of_the_sample_is_in_a_cache_after_the_warm_up(
    scenario: str, cache: bool | None, tmp_path: Path
) -> None:
    """Others are asked where there may be one, which begin otherwise and are no longer."""
    facts = Loaded(None, None, None, server=ServerFacts("server", prefix_cache=cache))
    prompts = ["12 + 3", "2 + 3", " + 3", "word " * 40, "ab", "b", "x"]
    requests = {prompt: Generate(prompt, 3) for prompt in prompts}
    for loaded, same in ((facts, False), (Loaded(None, None, None), True)):
        model = Alone(loaded=loaded)
        journal = Journal(tmp_path / "journal.jsonl", a_session())
        with Pauses() as pauses:
            bench = Bench(model, requests, journal, Watch("cpu"), pauses, "cell")
            scenarios.warmed(scenarios.load(scenario), bench, Warmup(minimum=7, maximum=21))
        short = {"ab", "b", "x"}  # of which nothing remains that is not in the sample
        timed = set(prompts) - short
        assert model.asked
        assert bool(timed & set(model.asked)) == same
        assert max(map(len, model.asked)) <= max(map(len, prompts))
        if not same:
            asked = set(model.asked) - short
            assert not any(one.startswith(other) for one in timed for other in asked)


@dataclass
class Alone(Batches):
    """Answers single requests too."""

    def generate(self, request: Generate) -> Generation:
        [(_, found)] = self.answer([Due("", request, 0)])
        assert isinstance(found, Generation)
        return found


def test_a_servers_pass_begins_when_requests_are_sent() -> None:
    """Opening its connections, and writing the requests, is no part of it."""
    records = [record(number, due_ns=0, start_ns=(2 + number) * 10**9) for number in range(3)]
    for sent, begins_s in ((False, 0), (True, 2)):
        found = Asked(Watch("cpu").read(), sent, records)
        assert found.start_ns == begins_s * 10**9
        assert found.end_ns == 5 * 10**9


SPEC = ScoreSpec.model_validate(
    {
        "cell": {
            "variant": "m", "model": "m", "quantization": "native", "device": "cpu", "task": "t",
            "scenario": "offline",
        },
        "scorer": {"kind": "classification", "options": {"labels": ["a", "b"]}},
        "device": {"max_background_cores": 0.5, "price_per_hour": 3.6, "bandwidth_gb_s": 10},
    }
)  # fmt: skip
PASS: dict[str, Any] = {"requests": 4, "tokens": 40, "seconds": 2.0}


def record(number: int, **facts: Any) -> Record:
    given = {
        "id": f"r{number}", "prompt_sha256": "0", "text": "a", "tokens": 10, "prompt_tokens": 3,
        "finish_reason": "stop", "due_ns": 0, "start_ns": 10**9 * (number // 2), "session": 0,
        "arrivals": one_by_one(range(1, 11)), "end_ns": 10**9, "foreign_cores": 0.0,
    }  # fmt: skip
    return Record(**given | facts)


def of_passes(*found: dict[str, Any], **facts: Any) -> dict[str, Any]:
    """The figures of a cell whose session has these passes."""
    loaded = a_session().loaded.as_json() | {"passes": list(found)}
    measurement = a_measurement(sessions=[session(0, loaded=loaded)], **facts)
    records = [record(number) for number in range(4)]
    return figures.values(Measured(measurement, SPEC, records), Needs.TIMES)


def test_throughput_is_of_whole_passes() -> None:
    """No time is one that a user waits for."""
    found = of_passes(PASS, PASS | {"seconds": 2.2}, PASS | {"seconds": 1.8, "changed": 1})
    assert found["output_tokens_per_s"]["value"] == pytest.approx(120 / 6)
    assert found["requests_per_s"]["value"] == pytest.approx(12 / 6)
    low, high = (found["requests_per_s"][end] for end in ("low", "high"))
    assert 1.5 < low < 2 < high < 2.7
    assert "3 passes over the same requests" in found["requests_per_s"]["method"]
    assert found["cost_per_1000_requests"]["value"] == pytest.approx(3.6 / 3600 * 1000 / 2)
    cost = found["cost_per_1000_requests"]
    assert cost["low"] < cost["value"] < cost["high"]
    assert (found["passes"], found["passes_changed"], found["requests_at_once"]) == (3, 1, 2)
    alone = ("latency", "ttft", "tpot", "itl", "mbu")
    assert not [name for name, one in found.items() if name.startswith(alone) and one is not None]


def test_a_single_pass_has_no_interval() -> None:
    found = of_passes(PASS)
    assert found["requests_per_s"]["value"] == 2
    assert found["requests_per_s"]["low"] is None
    assert found["passes_changed"] is None


def test_without_passes_there_is_no_throughput() -> None:
    """Never that of requests one after another."""
    found = of_passes()
    assert found["requests_per_s"] is None
    assert found["cost_per_1000_requests"] is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, None),
        ({"requests": 3}, "it was interrupted, and continued with 3 of 4 requests"),
        ({"requests": 3, "failed": 1}, None),
        ({"retried": 1}, "1 of 4 requests were sent again, and the wait for that is in its time"),
        ({"paused": True}, "the process was paused"),
        ({"foreign_cores": 1.5}, "other processes used 1.50 cores"),
        ({"foreign_gpu_processes": 2}, "2 other processes on the GPU"),
    ],
)
def test_the_gate_wants_whole_undisturbed_passes(change: Any, reason: str | None) -> None:
    loaded = a_session().loaded.as_json() | {"passes": [PASS, PASS | change]}
    measurement = a_measurement(sessions=[session(0, loaded=loaded)])
    records = [record(number) for number in range(4)]
    found = first_reason(Timing.of(measurement, records, 0.5, latencies=False))
    assert (found is None) if reason is None else (reason in (found or ""))


def test_the_clients_error_is_that_of_the_pass() -> None:
    """A request that waited for a connection was not late; the last answer may have been."""
    late = [record(number, late_ns=(0, *[0] * 10, 10**5)) for number in range(4)]
    of = gates.Timing(late, (), a_measurement().contention, 1.0, latencies=False)  # type: ignore[arg-type]
    gate = gates.GATES.load("client")()
    assert gate.reason(of) is None
    late[3] = record(3, late_ns=(0, *[0] * 10, 10**8))
    late[2] = record(2, late_ns=(0, *[0] * 10, 10**8))
    assert "of all requests" in (gate.reason(of) or "")


def test_other_scenarios_do_not_depend_on_it() -> None:
    """Their measurements are not repeated where this one changes."""
    own = "frontier.scenarios.offline"
    for name in ("single-stream", "offline"):
        found = code("measure", scenarios.module_of(name), "frontier.engines.transformers")
        assert (own in found.modules) == (name == "offline")
