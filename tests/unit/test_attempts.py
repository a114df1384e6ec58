"""Requests whose times failed a gate are asked again, so often as the device says; none is lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest
from test_reuse import Cell, answers, cell, checkpoint, counted, measured

from frontier import gates
from frontier.errors import Reason
from frontier.gates import Timing
from frontier.machine.limits import OutOfTimeError
from frontier.results.journal import Journal
from frontier.results.records import read
from frontier.results.session import Again
from frontier.scenarios import single_stream
from measurements import a_session

__all__ = ["cell", "checkpoint"]
PAUSED = "pause: the process was paused during {} of 8 requests"
Disturb = Callable[..., None]


@pytest.fixture
def disturb(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> Disturb:
    """Lets the requests at these places of the first sample be paused, so many times each."""
    asked = single_stream.undisturbed
    order: list[str] = []
    times: Counter[str] = Counter()

    def disturb(places: Collection[int], most: int) -> None:
        def paused(model: Any, name: str, *rest: Any) -> Any:
            answer, attempts, _ = asked(model, name, *rest)
            if name not in order:
                order.append(name)
            times[name] += 1
            return answer, attempts, order.index(name) in places and times[name] <= most

        monkeypatch.setattr(single_stream, "undisturbed", paused)

    return disturb


def verdict(folder: Path, most: float = 1e6) -> Reason | None:
    """The verdict of all gates on a measurement."""
    timing = Timing.of(measured(folder), read(folder / "requests.jsonl"), most)
    return gates.first_reason(timing)


def repeats(folder: Path) -> list[Again]:
    """The sessions that asked again."""
    return [one.loaded.again for one in measured(folder).sessions if one.loaded.again]


def test_only_what_was_disturbed_is_asked_again(cell: Cell, disturb: Disturb) -> None:
    """Once, in a session of its own after a warm-up; the answers are the same."""
    disturb([2, 5], 1)
    folder = cell.measure(8, attempts=4)
    assert cell.loads == 1
    assert sorted(cell.asked.values()) == [1] * 6 + [2] * 2
    assert counted(folder) == [6, 2]
    assert repeats(folder) == [Again(reason=PAUSED.format(2), requests=2, changed=0)]
    first, second = measured(folder).sessions
    assert first.started < second.started
    assert second.loaded.warmup
    assert second.loaded.load_average
    assert verdict(folder) is None
    assert measured(folder).times_asked == 2
    alike = Cell(cell.folder.with_name("undisturbed"), cell.checkpoint)
    assert answers(alike.measure(8)) == answers(folder)


@pytest.mark.parametrize("attempts", [1, 2, 3])
def test_as_often_as_the_device_says(cell: Cell, disturb: Disturb, attempts: int) -> None:
    """A cell that still fails is invalid for the same reason; by default nothing is asked again."""
    disturb([3], 99)
    folder = cell.measure(8, attempts=attempts)
    assert cell.asked.total() == 8 + attempts - 1
    assert verdict(folder) == PAUSED.format(1)
    assert [one.reason for one in repeats(folder)] == [PAUSED.format(1)] * (attempts - 1)
    assert measured(folder).times_asked == attempts


def test_under_load_all_disturbed_requests_are_asked_again(cell: Cell) -> None:
    """Here the limit is below anything, as if others always computed."""
    folder = cell.measure(8, attempts=3, max_background_cores=-1.0)
    assert [*cell.asked.values()] == [3] * 8
    assert "contention: other processes used" in str(verdict(folder, -1.0))
    assert verdict(folder) is None
    assert [one.changed for one in repeats(folder)] == [0, 0]


def test_interrupted_while_asking_again(cell: Cell, disturb: Disturb) -> None:
    """All answers are there, the better ones in their place; attempts are counted over processes."""
    disturb([1, 4, 6], 1)
    cell.stop = (9, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        cell.measure(8, attempts=3)
    (path,) = cell.folder.glob("*/journal.jsonl")
    found = Journal(path, a_session(), path.parent.name)
    assert len(found.records) == 8
    assert sum(one.paused for one in found.records) == 2
    cell.stop = None
    folder = cell.measure(8, attempts=3)
    assert cell.asked.total() == 2
    assert verdict(folder) is None
    reasons = [one.reason for one in repeats(folder)]
    assert reasons == [PAUSED.format(3), PAUSED.format(2)]
    assert [one.changed for one in repeats(folder)] == [None, 0]


def test_no_time_left_to_ask_again(cell: Cell, disturb: Disturb) -> None:
    """The requests measured before count, and are invalid; the cell is not out of time."""
    disturb([1, 4], 1)
    cell.stop = (8, OutOfTimeError("not finished after 1 minutes"))
    folder = cell.measure(8, attempts=2)
    assert measured(folder).outcome == "measured"
    assert len(read(folder / "requests.jsonl")) == 8
    assert verdict(folder) == PAUSED.format(2)


def test_what_asking_again_cannot_help_is_not_asked(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gate that names no request."""
    monkeypatch.setattr(gates.GATES.load("pauses"), "reason", lambda *_: "pause: one")
    folder = cell.measure(8, attempts=3)
    assert cell.asked.total() == 8
    assert not repeats(folder)
