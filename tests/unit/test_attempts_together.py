"""Passes and rates that failed a gate are measured again as a whole; out of time, none is lost."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from test_attempts import repeats
from test_offline_measured import OFFLINE, scored
from test_reuse import Cell, answers, cell, checkpoint, measured
from test_server_scenario import IDS, QUICK, REQUESTS, STRICT

import shipped
from frontier.catalogue.devices import Warmup
from frontier.engines import Due, Loaded
from frontier.machine.limits import OutOfTimeError
from frontier.measuring.contention import Watch
from frontier.measuring.pauses import Pauses
from frontier.results.journal import Journal
from frontier.results.loads import at_once, loads
from frontier.results.records import Record, read
from frontier.results.session import Pass
from frontier.scenarios import Bench, offline
from frontier.scenarios.common import repeating
from frontier.scenarios.server import Server
from frontier.specs.measure import MeasureSpec
from measurements import a_session
from served_loads import Queue

__all__ = ["cell", "checkpoint"]  # fixtures
BUSY = 2e6
"""Cores that others use during a disturbed pass; the limit is a million."""


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Lets others compute during the passes of these numbers, and time end before one of them."""
    facts, asked, count = offline.Asked.facts, offline.asked, [0, 0]

    def busy(places: Collection[int], end: int | None = None) -> None:
        def disturbed(self: offline.Asked, first: Any) -> Pass:
            found = facts(self, first)
            count[0] += 1
            loaded = BUSY if count[0] - 1 in places else found.foreign_cores
            return found.model_copy(update={"foreign_cores": loaded})

        def ended(*arguments: Any, **keys: Any) -> offline.Asked:
            count[1] += 1
            if count[1] - 1 == end:
                raise OutOfTimeError("not finished after 1 minutes")
            return asked(*arguments, **keys)

        monkeypatch.setattr(offline.Asked, "facts", disturbed)
        monkeypatch.setattr(offline, "asked", ended)

    return busy


def passes(folder: Path) -> list[int]:
    return [len(one.loaded.passes) for one in measured(folder).sessions]


@pytest.mark.parametrize(
    ("places", "counts", "asked"),
    [([1], [2, 1], 8), ([1, 2], [1, 2], 16), ([0], [3], 24)],
    ids=["a later one", "two later ones", "the first, with the answers"],
)
def test_a_disturbed_pass_is_measured_again(
    cell: Cell, busy: Any, places: list[int], counts: list[int], asked: int
) -> None:
    """The pass alone; if it was the first, whose answers are scored, all of them."""
    busy(places)
    folder = cell.measure(8, attempts=2, **OFFLINE)
    assert passes(folder) == counts
    [again] = repeats(folder)
    assert "during a pass other processes used" in again.reason
    assert (again.requests, again.changed) == (asked, 0)
    assert measured(folder).times_asked == 2
    assert len(answers(folder)) == 8
    found = scored(cell, folder)
    assert (found["outcome"], found["reason"]) == ("measured", None)
    assert found["figures"]["passes"] == 3


def test_passes_that_stay_disturbed_are_invalid(cell: Cell, busy: Any) -> None:
    busy(range(100))
    folder = cell.measure(8, attempts=3, **OFFLINE)
    assert measured(folder).times_asked == 3
    found = scored(cell, folder)
    assert found["outcome"] == "invalid"
    assert found["reason"].endswith("; measured 3 times")
    assert found["score"] is not None


@pytest.mark.parametrize(("places", "end"), [([1], 3), ([0], 3), ([0], 4)])
def test_out_of_time_the_passes_before_count(
    cell: Cell, busy: Any, places: list[int], end: int
) -> None:
    """A cell that was measured is invalid then, and is not out of time."""
    busy(places, end)
    folder = cell.measure(8, attempts=2, **OFFLINE)
    assert measured(folder).outcome == "measured"
    assert passes(folder) == [3, 0]
    records = read(folder / "requests.jsonl")
    assert {one.session for one in records} == {0}
    assert len(records) == 8
    found = scored(cell, folder)
    assert found["outcome"] == "invalid"
    assert found["figures"]["requests_per_s"] is None


class Disturbed(Server):
    """The scenario, during whose rates of these places this process is paused in vain."""

    def _ask(self, bench: Bench, rate: float | None, schedule: Sequence[Any]) -> list[Record]:
        found = super()._ask(bench, rate, schedule)
        if len(ASKED) in PAUSED:
            journal = bench.journal
            keys = {one.key for one in found}
            journal.settle([replace(one, paused=one.key in keys) for one in journal.records])
        ASKED.append(rate)
        return found


ASKED: list[float | None] = []
PAUSED: set[int] = set()


class Ends(Queue):
    """Its job's time ends at the play of that number."""

    end = 1000
    loaded = Loaded(None, None, None)

    def answer(self, requests: Sequence[Due]) -> Iterator[Any]:
        for one in super().answer(requests):
            if len(self.plays) > self.end:
                raise OutOfTimeError("not finished after 1 minutes")
            yield one


@pytest.mark.parametrize("in_time", [True, False])
def test_a_disturbed_rate_is_measured_again(tmp_path: Path, in_time: bool) -> None:
    """The rate alone, by the same schedule; the others and the answers that are scored stay."""
    ASKED.clear()
    PAUSED.clear()
    PAUSED.add(2)
    rates = QUICK.model_copy(update={"searched": 0})
    scenario = Disturbed(limits=STRICT, rates=rates)
    journal = Journal(tmp_path / "journal.jsonl", a_session())
    model = Ends()
    engine = shipped.engines()["transformers"]
    device = {"accelerator": "cpu", "warmup": Warmup(minimum=2, maximum=4, tolerance=100)}
    spec = MeasureSpec.model_construct(
        max_background_cores=1e6, max_drift=None, max_slowed=1.0, attempts=2, engine=engine,
        device=type("Device", (), device),
    )  # fmt: skip
    with Pauses() as pauses:
        bench = Bench(model, REQUESTS, journal, Watch("cpu"), pauses, "cell")
        repeating.timed(scenario, bench)
        before = [one.key for one in journal.records]
        assert sum(one.paused for one in journal.records) == len(loads(journal.records)[1].records)
        if not in_time:
            model.end = len(model.plays) + 2
        repeating.until_sound(spec, scenario, bench)
    found = Journal(tmp_path / "journal.jsonl", a_session()).records
    assert {one.key for one in found} == {*before}
    assert {one.id for one in at_once(found)} == {*IDS}
    again = [bool(load.records[0].session) for load in loads(found)]
    assert again == ([False, True, False] if in_time else [False] * 3)
    assert any(one.paused for one in found) is not in_time
    assert ASKED[4:] == ([ASKED[2]] if in_time else [])
