"""The processor use of other programs: from counters, over windows, over all sessions."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontier.arrivals import Arrival
from frontier.measuring import contention
from frontier.measuring.contention import Reading, loads
from frontier.results.journal import Journal
from frontier.results.records import Record
from measurements import a_session
from waiting import wait_until

CORES = 2


def record(number: int, session: int = 0) -> Record:
    """A request of ten milliseconds."""
    return Record(f"r{number}", "", "yes", 1, 2, "stop", 3, 3, [Arrival(4, 1)], 10**7, session)


def readings(seconds: list[float], foreign: list[float], own: float = 1.0) -> list[Reading]:
    """Counters before and behind requests of so many seconds, while others use so many cores."""
    clock = np.cumsum([100.0, *seconds])
    used = np.cumsum([7.0, *(own * one for one in seconds)])
    others = np.cumsum([1000.0, *(a * b for a, b in zip(seconds, foreign, strict=True))])
    return [Reading(o + u, u, c) for o, u, c in zip(others, used, clock, strict=True)]


@given(st.lists(st.tuples(st.floats(0.001, 30), st.floats(0, CORES)), min_size=1, max_size=60))
def test_load_is_shared_by_a_window_and_none_is_lost(requests: list[tuple[float, float]]) -> None:
    """The load of all requests adds up to what others used, whatever the windows."""
    seconds, foreign = map(list, zip(*requests, strict=True))
    begun, *ends = readings(seconds, foreign)
    found = loads(begun, ends, 10**6)
    assert len(found) == len(requests)
    used = sum(a * b for a, b in zip(seconds, foreign, strict=True))
    assert sum(a * b for a, b in zip(seconds, found, strict=True)) == pytest.approx(used, abs=1e-6)


def test_a_burst_is_of_its_own_windows() -> None:
    """The requests next to it are not blamed; the rest, too short for a window, is the last one's."""
    begun, *ends = readings([0.5] * 7, [0.0, 0.0, 2.0, 2.0, 0.0, 0.0, 0.3])
    assert loads(begun, ends, CORES) == pytest.approx([0.0, 0.0, 2.0, 2.0, 0.1, 0.1, 0.1])


def test_requests_that_were_under_way_together_share_a_window() -> None:
    """They have one reading, after the last of them."""
    begun, one, two = readings([5.0, 10.0], [2.0, 0.5])
    assert loads(begun, [one] * 3 + [two] * 4, CORES) == pytest.approx([2.0] * 3 + [0.5] * 4)


@pytest.mark.parametrize(
    ("begun", "end", "load"),
    [
        (Reading(10.0, 1.0, 5.0), Reading(10.02, 1.0, 5.0001), CORES),  # a hundredth of a second
        (Reading(10.0, 1.0, 5.0), Reading(10.0, 1.0, 5.0), 0.0),
        (Reading(10.0, 1.0, 5.0), Reading(12.0, 3.5, 7.0), 0.0),  # rounded in the other direction
        (Reading(10.0, 1.0, 5.0), Reading(9.0, 1.0, 7.0), 0.0),  # a core that was taken away
        (Reading(10.0, 1.0, 5.0), Reading(14.0, 3.0, 7.0), 1.0),
    ],
)
def test_never_less_than_nothing_nor_more_than_all_cores(
    begun: Reading, end: Reading, load: float
) -> None:
    """A rounded counter over a very short time would be a hundred cores."""
    assert loads(begun, [end], CORES) == [load]


def session(journal: Journal, ids: range, foreign: float) -> None:
    """Requests of ten milliseconds, timed by a process while others use so many cores."""
    begun, *ends = readings([0.01] * len(ids), [foreign] * len(ids))
    journal.begin(asdict(begun))
    for number, end in zip(ids, ends, strict=True):
        journal.append(record(number, journal.session), asdict(end))


def test_the_load_of_a_session_that_was_killed_counts(tmp_path: Path) -> None:
    """Two hogs during 186 of 200 requests, then a kill, then peace."""
    session(Journal(tmp_path / "journal.jsonl", a_session()), range(186), 2.0)
    second = Journal(tmp_path / "journal.jsonl", a_session())
    session(second, range(186, 200), 0.0)
    records = contention.with_loads(second)
    assert [one.foreign_cores for one in records] == [2.0] * 186 + [0.0] * 14
    found = contention.summary(second, records)
    assert found.foreign_cores == pytest.approx(1.86)
    assert [(one.session, one.requests) for one in found.sessions] == [(0, 186), (1, 14)]
    assert [one.foreign_cores for one in found.sessions] == pytest.approx([2.0, 0.0])
    assert {one.foreign_gpu_processes for one in (found, *found.sessions)} == {None}


def test_a_stranger_on_the_gpu_is_remembered(tmp_path: Path) -> None:
    """Every process that ever used the GPU is remembered, also if the session was killed."""
    first = Journal(tmp_path / "journal.jsonl", a_session())
    first.begin(asdict(Reading(1, 1, 1, 0)))
    first.append(record(0), asdict(Reading(2, 2, 2, 3)))
    second = Journal(tmp_path / "journal.jsonl", a_session())
    second.begin(asdict(Reading(3, 3, 3, 0)))
    assert contention.summary(second, second.records).foreign_gpu_processes == 3


def test_what_helpers_do_is_the_works_own() -> None:
    """A process that a measurement starts is its own only if registered."""
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        process = psutil.Process(busy.pid)
        informed, uninformed = contention.Watch("cpu", {busy.pid}), contention.Watch("cpu")
        before, alone = informed.read(), uninformed.read()
        begun = sum(process.cpu_times()[:2])
        wait_until(lambda: sum(process.cpu_times()[:2]) > begun + 0.5, "it computes", busy)
        used, own = informed.read().own_s - before.own_s, uninformed.read().own_s - alone.own_s
    finally:
        busy.kill()
        busy.wait()
    # What this process did meanwhile is in both: it depends on how long that took.
    assert used - own > 0.4


def test_counters_of_this_host() -> None:
    """Counters advance, and the work of this process counts as its own."""
    watch = contention.Watch("cpu")
    before = watch.read()
    while watch.read().own_s < before.own_s + 0.2:
        pass
    after = watch.read()
    assert after.clock_s > before.clock_s
    assert after.busy_s >= before.busy_s
    assert after.gpu_processes is None
