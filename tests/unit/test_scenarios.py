"""The contract of every scenario, found by its path, and the end of a warm-up."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from itertools import count, repeat
from pathlib import Path

import pytest

from frontier import scenarios
from frontier.arrivals import one_by_one
from frontier.catalogue import checking
from frontier.catalogue.devices import Warmup
from frontier.engines import Generate, Generation, LoadedModel
from frontier.errors import OutOfMemoryError, UserError
from frontier.measuring.contention import Watch
from frontier.measuring.pauses import Pauses
from frontier.results.journal import Journal
from frontier.results.measurement import Run, WarmUp
from frontier.results.records import Record, input_sha256
from frontier.scenarios import SCENARIOS, Bench
from frontier.scenarios.single_stream import SingleStream
from measurements import WARM_UP, a_session

REQUESTS = {f"r{number}": Generate(f"prompt {number}", 3) for number in range(12)}


class Echo(LoadedModel):
    """Answers with the prompt, after the given number of nanoseconds each time."""

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


def measured(name: str, folder: Path, model: LoadedModel) -> list[Record]:
    """The records of a scenario's measurement, however it ends."""
    journal = Journal(folder / "journal.jsonl", a_session())
    with Pauses() as pauses:
        bench = Bench(model, REQUESTS, journal, Watch("cpu"), pauses, "cell")
        try:
            SCENARIOS.load(name)().measure(bench)
        finally:
            journal.loaded(Run(warmup=WarmUp.of(WARM_UP)))
    return Journal(folder / "journal.jsonl", a_session()).records


@pytest.mark.parametrize("name", SCENARIOS.names())
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


@pytest.mark.parametrize("name", SCENARIOS.names())
def test_a_killed_measurement_goes_on_where_it_stopped(name: str, tmp_path: Path) -> None:
    """Requests that were already answered do not run again."""
    first, second = Echo(repeat(1000), fails_at=5), Echo(repeat(1000))
    with pytest.raises(OutOfMemoryError):
        measured(name, tmp_path, first)
    records = measured(name, tmp_path, second)
    assert {one.id for one in records} == REQUESTS.keys()
    assert len(records) == len(REQUESTS)
    assert not first.asked.keys() & second.asked.keys()


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
