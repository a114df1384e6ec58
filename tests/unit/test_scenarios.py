"""The contract of every scenario, found by its path, and the end of a warm-up."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import count, repeat
from pathlib import Path

import pytest

from frontier import scenarios
from frontier.arrivals import one_by_one
from frontier.catalogue import checking
from frontier.catalogue.devices import Warmup
from frontier.engines import Generate, Generation, Loaded, LoadedModel, ServerFacts
from frontier.errors import OutOfMemoryError, UserError
from frontier.measuring.contention import Watch
from frontier.measuring.pauses import Pauses
from frontier.results.journal import Journal
from frontier.results.records import Record, input_sha256
from frontier.results.session import Run, WarmUp
from frontier.scenarios import SCENARIOS, Bench
from frontier.scenarios.single_stream import SingleStream
from measurements import WARM_UP, a_session

REQUESTS = {f"r{number}": Generate(f"prompt {number}", 3) for number in range(12)}


class Echo(LoadedModel):
    """Answers with the prompt, after the given number of nanoseconds each time."""

    loaded = Loaded(None, None, None)

    def __init__(self, times_ns: Iterator[int], fails_at: int | None = None) -> None:
        """Fails for lack of memory at the request of that number."""
        self.times_ns, self.fails_at, self.asked = times_ns, fails_at, Counter[str]()

    def render(self, prompt: str) -> str:
        return prompt

    def generate(self, request: Generate) -> Generation:
        if self.asked.total() == self.fails_at:
            raise OutOfMemoryError("too much")
        self.asked[request.prompt] += 1
        ns, start = next(self.times_ns), time.perf_counter_ns()
        return Generation(request.prompt, 2, "stop", start, one_by_one([ns // 2, ns]), ns)


def measured(name: str, folder: Path, model: LoadedModel, paid: bool = False) -> list[Record]:
    """The records of a scenario's measurement, however it ends."""
    journal = Journal(folder / "journal.jsonl", a_session())
    with Pauses() as pauses:
        bench = Bench(model, REQUESTS, journal, Watch("cpu"), pauses, "cell", paid)
        try:
            SCENARIOS.load(name)().measure(bench)
        finally:
            journal.loaded(Run(warmup=WarmUp.of(WARM_UP)))
    return Journal(folder / "journal.jsonl", a_session()).records


ONCE = [name for name in SCENARIOS.names() if name != "server"]
"""The scenarios that record each request once; test_server_scenario.py has the other one."""


@pytest.mark.parametrize("name", ONCE)
def test_every_request_is_timed_once(name: str, tmp_path: Path) -> None:
    """Each is recorded with its own answer, and none before it was due."""
    model = Echo(repeat(1000))
    records = measured(name, tmp_path, model)
    assert {one.id: one.text for one in records} == {
        name: request.prompt for name, request in REQUESTS.items()
    }
    assert len(records) == len(REQUESTS)
    for one in records:
        prompt = REQUESTS[one.id].prompt
        assert one.input_sha256 == input_sha256(prompt)
        assert one.due_ns <= one.start_ns
        assert (one.end_ns, one.tokens) == (1000, 2)
        assert not one.paused


@pytest.mark.parametrize("name", ONCE)
def test_a_killed_measurement_goes_on_where_it_stopped(name: str, tmp_path: Path) -> None:
    """Requests that were already answered do not run again, unless they depend on each other."""
    first, second = Echo(repeat(1000), fails_at=5), Echo(repeat(1000))
    with pytest.raises(OutOfMemoryError):
        measured(name, tmp_path, first)
    records = measured(name, tmp_path, second)
    assert {one.id for one in records} == REQUESTS.keys()
    assert len(records) == len(REQUESTS)
    if SCENARIOS.load(name).INDEPENDENT:
        assert not first.asked.keys() & second.asked.keys()
    else:
        assert {one.session for one in records} == {1}


@pytest.mark.parametrize("name", ONCE)
def test_nothing_paid_is_asked_twice(name: str, tmp_path: Path) -> None:
    """Answers are saved as they come, in every scenario, and each request is asked once."""
    first, second = Echo(repeat(1000), fails_at=5), Echo(repeat(1000))
    with pytest.raises(OutOfMemoryError):
        measured(name, tmp_path, first, paid=True)
    records = measured(name, tmp_path, second, paid=True)
    assert {one.id for one in records} == REQUESTS.keys()
    calls = scenarios.load(name.replace("_", "-")).calls(len(REQUESTS), paid=True)
    assert first.asked.total() + second.asked.total() == calls


class Late(Echo):
    """A server whose client is late for all answers but each third one."""

    def __init__(self, base_url: str | None) -> None:
        """Takes the endpoint's URL; None for a server of the cell's own."""
        super().__init__(repeat(1000))
        self.loaded = Loaded(1, None, None, server=ServerFacts("server", base_url))

    def generate(self, request: Generate) -> Generation:
        answer = super().generate(request)
        late = 10**6 if self.asked.total() % 3 else 0
        return replace(answer, late_ns=(0, 0, late, late))


@pytest.mark.parametrize(("base_url", "attempts"), [(None, 3), ("https://paid.example/v1", 1)])
def test_a_request_for_which_the_client_was_late(
    base_url: str | None, attempts: int, tmp_path: Path
) -> None:
    """It is asked again, unless that is paid for."""
    records = measured("single_stream", tmp_path, Late(base_url))
    assert [one.attempts for one in records] == [attempts] * len(REQUESTS)
    assert len(records) == len(REQUESTS)
    assert not any(one.paused for one in records)


@pytest.mark.parametrize("name", SCENARIOS.names())
def test_a_scenario_is_named_as_mlperf_does(name: str) -> None:
    named = name.replace("_", "-")
    assert type(scenarios.load(named)) is SCENARIOS.load(name)
    assert scenarios.module_of(named) == SCENARIOS.load(name).__module__
    assert named in checking.scenarios()
    with pytest.raises(UserError, match="unknown id"):
        scenarios.load(f"{named}s")


LIMITS = Warmup(minimum=3, maximum=12, tolerance=0.1)


@pytest.mark.parametrize(
    ("times_ns", "asked", "settled"),
    [
        (repeat(1000), 6, True),
        (iter([9000] * 3 + [1000] * 9), 9, True),
        (iter([1000, 5000, 9000] * 4), 6, True),  # each request against itself
        ((1000 * 2**number for number in count()), 12, False),
    ],
)
def test_a_warm_up_ends_when_a_round_is_as_fast_as_the_one_before(
    times_ns: Iterator[int], asked: int, settled: bool
) -> None:
    """It also ends at its maximum; it repeats the first requests only."""
    model = Echo(times_ns)
    found = SingleStream().warm_up(model, list(REQUESTS.values()), LIMITS)
    assert (found.requests, found.settled) == (asked, settled)
    assert model.asked == {f"prompt {number}": asked // 3 for number in range(3)}
    assert found.last_change is not None
    assert (found.last_change < LIMITS.tolerance) == settled
