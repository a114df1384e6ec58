"""Scenarios, in which requests reach an engine by the rules of MLPerf Inference.

Each file here has one scenario: a class found by the file's name, such as single_stream for
`single-stream`. Its fields are keys of a task that decide measurements in this scenario alone.
"""

from __future__ import annotations

import json
import math
import statistics
import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar

from pydantic import JsonValue, ValidationError

from frontier.blocks import Decides, Entry
from frontier.catalogue.devices import Warmup
from frontier.engines import Due, Failed, Generate, Generation, LoadedModel
from frontier.errors import Reason, UnsupportedError, UserError
from frontier.measuring import turns
from frontier.measuring.contention import Watch
from frontier.measuring.pauses import Pauses
from frontier.prompts import Question, written
from frontier.registry import Registry
from frontier.requests import Request
from frontier.results.journal import Journal
from frontier.results.records import Record
from frontier.results.session import Pass, Run, WarmUp
from frontier.scenarios.common import warming
from frontier.scenarios.common.asked import request_for
from frontier.specs.measure import MeasuredTask
from frontier.values import first_fault

if TYPE_CHECKING:
    from frontier.gates import Timing

NO_CHOICES: Reason = "choices are asked one at a time (single-stream)"
NO_TURNS: Reason = "the turns of a conversation are asked one at a time (single-stream)"
MOST_ATTEMPTS = 3
"""The attempts at a request, or at a pass, during which this process may have been paused."""


@dataclass(frozen=True)
class Bench:
    """The resources of a scenario's measurement."""

    model: LoadedModel
    requests: dict[str, Request]
    """The requests by id, in the sample's order. That of a later turn is a stand-in of the greatest
    likely length until the turns before it are answered."""
    journal: Journal
    """The journal with the requests of earlier processes, to which each new one is added."""
    watch: Watch
    """Measures the load by other processes."""
    pauses: Pauses
    """Detects pauses of this process."""
    label: str
    """The cell's name in messages."""
    paid: bool = False
    """Whether requests cost money, so that none is asked twice."""
    questions: Mapping[str, Question] = field(default_factory=dict)
    """The questions by the ids of their requests."""
    task: MeasuredTask | None = None
    """The task's limits, for turns that are known later."""
    again: Collection[str] = ()
    """The requests that are asked again although they have an answer, which the next replaces."""

    def current(self, name: str, records: Mapping[str, Record]) -> Request | Failed:
        """The request of that id, which of a later turn follows the recorded answers.

        Such a one takes the place of its stand-in in `requests`. Failed if it cannot be asked.
        """
        question = self.questions.get(name)
        if question is None or not question.follows:
            return self.requests[name]
        now = turns.behind(question, records)
        if now is None or self.task is None:
            return turns.failed(turns.UNANSWERED)
        request = request_for(now, self.task, self.model)
        if not self.model.fits(request):
            return turns.failed(turns.TOO_LONG)
        self.requests[name] = request
        return request

    def input(self, name: str, records: Mapping[str, Record]) -> str:
        """All that a request asks, with all shots and recorded answers, as a text."""
        question = self.questions.get(name)
        if question is None:
            return written(self.requests[name].prompt)
        return (turns.behind(question, records) or question).input

    @property
    def generations(self) -> Mapping[str, Generate]:
        """The requests, for scenarios in which only texts are generated.

        Raises UnsupportedError if one is a choice, or follows another's answer.
        """
        if any(one.follows for one in self.questions.values()):
            raise UnsupportedError(NO_TURNS)
        found = {name: one for name, one in self.requests.items() if isinstance(one, Generate)}
        if len(found) < len(self.requests):
            raise UnsupportedError(NO_CHOICES)
        return found


class Scenario(Entry, ABC):
    """A way in which requests reach an engine."""

    INDEPENDENT: ClassVar[bool] = True
    """Whether a request's answer and times are the same whatever else its sample has, so that
    measurements of other samples are reused."""
    CHOICES: ClassVar[bool] = False
    """Whether it asks for the likelihoods of choices too, besides generated texts."""
    LATENCIES: ClassVar[bool] = True
    """Whether the times of its requests are those that a user waits, and are figures of the cell.
    False where they depend on the sample or on the rates that are tried."""

    def warm_up(self, model: LoadedModel, requests: Sequence[Request], limits: Warmup) -> WarmUp:
        """Runs untimed rounds of the same few requests until one is as fast as the last one.

        Rounds are compared request by request, so that long and short ones count equally.
        """
        few = requests[: limits.minimum]
        started = time.perf_counter_ns()
        before: list[int] = []
        change, done = math.inf, 0
        while change >= limits.tolerance and done < limits.maximum:
            now = [model.ask(request).end_ns for request in few]
            done += len(few)
            if before:
                ratios = (later / earlier for later, earlier in zip(now, before, strict=True))
                change = abs(statistics.median(ratios) - 1)
            before = now
        return WarmUp(
            requests=done,
            settled=change < limits.tolerance,
            last_change=None if math.isinf(change) else change,
            seconds=(time.perf_counter_ns() - started) / 1e9,
        )

    def calls(self, requests: int, *, paid: bool) -> int:
        """The requests that it sends for a sample of so many, its warm-up left out.

        `paid`: they cost money, so that none is asked twice.
        """
        return requests

    def seconds(self, requests: int, each_s: float, *, paid: bool) -> float:
        """The most time for a sample of so many requests, each of which takes `each_s` alone."""
        return self.calls(requests, paid=paid) * each_s

    def is_complete(self, records: Sequence[Record], ids: Collection[str]) -> bool:
        """True if a sample with these ids has no request left to ask."""
        return {record.id for record in records} >= set(ids)

    def answered(self, journal: Journal, ids: Collection[str]) -> int | None:
        """The last session with complete facts from loading, if no request is left to ask."""
        return journal.complete() if self.is_complete(journal.records, ids) else None

    def judged(self, timing: Timing) -> Iterator[Timing]:
        """The timings that gates judge each by itself: one, of all requests."""
        yield replace(timing, latencies=self.LATENCIES)

    def withdraw(
        self, journal: Journal, records: Sequence[Record], passes: Sequence[Pass]
    ) -> int | None:
        """Removes what failed a gate, so that `measure` asks it again; the number of requests.

        None where requests are replaced one by one instead: those in the bench's `again`.
        """
        return None

    @abstractmethod
    def measure(self, bench: Bench) -> None:
        """Times and records the requests missing in the journal.

        Starts the journal's session, and the checks of `bench.pauses`. Raises UserError if the
        Snakemake that started this process has ended, OutOfMemoryError, OutOfTimeError.
        """


def warmed(scenario: Scenario, bench: Bench, limits: Warmup) -> Run:
    """Warms up; returns the result, with the facts that the first requests show of the model."""
    if not scenario.CHOICES:
        assert bench.generations
    later = {name for name, one in bench.questions.items() if one.follows}
    first = [one for name, one in bench.requests.items() if name not in later]
    requests = warming.unlike(bench.model, first)
    found = scenario.warm_up(bench.model, requests, limits)
    shown = bench.model.loaded
    return Run(
        warmup=found,
        kv_bytes_per_token=shown.kv_bytes_per_token,
        kv_windows=shown.kv_windows,
        kv_waiting=shown.kv_waiting,
        batching=shown.batching,
    )


SCENARIOS: Registry[Scenario] = Registry("scenarios", Scenario, mark=Decides)


def module_of(name: str) -> str:
    """The dotted name of a scenario's module. Raises UserError as `load` does."""
    return SCENARIOS.load(_file(name)).__module__


def keys_of(name: str) -> frozenset[str]:
    """The keys of a task that are the scenario's."""
    return frozenset(SCENARIOS.load(_file(name)).model_fields)


def load(name: str, keys: Mapping[str, JsonValue] | None = None) -> Scenario:
    """The scenario by MLPerf's name, such as single-stream, with its keys.

    Raises UserError with the nearest name, or for a key that is invalid.
    """
    try:
        return SCENARIOS.load(_file(name)).model_validate_json(json.dumps(keys or {}))
    except ValidationError as invalid:
        raise UserError(f"scenario_keys: {first_fault(invalid)}") from None


def _file(name: str) -> str:
    return name.replace("-", "_")


def answers_of(
    model: LoadedModel, requests: Sequence[Due]
) -> Generator[tuple[str, Generation | Failed], None, None]:
    """The model's answers as a generator, which can be closed early, with what is under way."""
    yield from model.answer(requests)
