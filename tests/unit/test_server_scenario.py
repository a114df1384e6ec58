"""MLPerf's Server: schedules, the search for the highest rate, and what an interruption leaves."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from frontier.catalogue.devices import Warmup
from frontier.catalogue.loads import Limits, Rates
from frontier.engines import Due, Failed, Generate, Generation, LoadedModel
from frontier.errors import OutOfMemoryError
from frontier.measuring.contention import Watch
from frontier.measuring.pauses import Pauses
from frontier.results.journal import Journal
from frontier.results.loads import STOPPED, Load, at_once, loads, rate_at_once
from frontier.results.records import Record
from frontier.scenarios import Bench
from frontier.scenarios.common.schedule import SECOND, poisson
from frontier.scenarios.common.search import Tried, bracket, next_rate
from frontier.scenarios.server import Server
from frontier.stats import early_stopping
from measurements import a_session
from served_loads import Queue

IDS = [f"r{number}" for number in range(12)]
REQUESTS = {name: Generate(f"prompt {name}", 3) for name in IDS}
COUNTS, RATES = st.integers(0, 300), st.floats(1e-3, 1e4)
SEEDS = st.integers(0, 2**63)
QUICK = Rates(shares=(0.3, 0.6, 0.9), searched=6, min_seconds=1, max_seconds=20, max_requests=2000)
STRICT = Limits(ttft_s=0.03, tpot_s=1, percentile=90)
"""A queue of a server that takes 10 ms, 5 of them to the first token, exceeds it under load."""


@given(count=COUNTS, rate=RATES, seed=SEEDS, size=st.integers(1, 40))
def test_a_schedule_is_drawn_in_whole_passes(count: int, rate: float, seed: int, size: int) -> None:
    """Absolute times in ascending order; each request equally often, but for the last pass."""
    ids = [f"r{number}" for number in range(size)]
    found = poisson(ids, count, rate, seed)
    assert len(found) == count
    assert all(one.ns <= other.ns for one, other in pairwise(found))
    assert all(one.ns >= 0 for one in found)
    assert len({(one.id, one.repetition) for one in found}) == count
    for repetition in range(count // size):
        whole = found[repetition * size : (repetition + 1) * size]
        assert {one.repetition for one in whole} == {repetition}
        assert sorted(one.id for one in whole) == sorted(ids)
    assert found == poisson(ids, count, rate, seed)


@given(count=COUNTS, rate=RATES, seed=SEEDS, factor=st.floats(0.01, 100))
def test_another_rate_only_has_another_unit_of_time(
    count: int, rate: float, seed: int, factor: float
) -> None:
    """Variants that are measured at rates of their own are compared on the same arrivals."""
    one, other = poisson(IDS, count, rate, seed), poisson(IDS, count, rate * factor, seed)
    assert [(a.id, a.repetition) for a in one] == [(b.id, b.repetition) for b in other]
    scaled = [b.ns * factor for b in other]
    assert [a.ns for a in one] == pytest.approx(scaled, rel=1e-9, abs=2 + 2 * factor)


@pytest.mark.parametrize("seed", range(4))
def test_arrivals_are_poisson(seed: int) -> None:
    """Gaps are exponential with the rate's mean, and do not depend on each other."""
    times = np.array([one.ns for one in poisson(IDS, 4000, 250.0, seed)]) / SECOND
    gaps = np.diff(times, prepend=0)
    assert stats.kstest(gaps, "expon", args=(0, 1 / 250)).pvalue > 0.001
    assert abs(np.corrcoef(gaps[1:], gaps[:-1])[0, 1]) < 4 / np.sqrt(len(gaps))


def test_seeds_differ() -> None:
    assert poisson(IDS, 50, 1.0, 0) != poisson(IDS, 50, 1.0, 1)


@given(
    capacity=st.floats(0.01, 30), unit=st.floats(0.1, 1000), searched=st.integers(0, 12),
    shares=st.lists(st.floats(0.05, 3), min_size=1, max_size=6, unique=True),
)  # fmt: skip
def test_the_search_closes_in_on_the_highest_rate(
    capacity: float, unit: float, searched: int, shares: list[float]
) -> None:
    """It ends, tries no rate twice, and its result encloses what the engine can do."""
    rates, most = Rates(shares=tuple(sorted(shares)), searched=searched), capacity * unit
    tried: list[Tried] = []
    while (rate := next_rate(tried, unit, rates)) is not None:
        assert rate not in {one.rate for one in tried}
        tried.append(Tried(rate, rate <= most, rate > 2 * most))
    assert len(tried) <= len(shares) + searched
    holds, fails = bracket(tried)
    assert holds is None or holds <= most
    assert fails is None or fails > most
    tops = [share * unit for share in shares]
    inside = min(tops) <= most <= 0.99 * max(tops)
    if inside and searched >= 12:
        assert holds is not None
        assert fails is not None
        assert fails / holds < 1.05


def test_a_rate_that_fails_below_one_that_holds_counts_for_nothing() -> None:
    """To hold is known with a confidence of 99 %; not to hold is only not known."""
    tried = [Tried(1.0, False, False), Tried(2.0, True, False), Tried(4.0, False, True)]
    assert bracket(tried) == (2.0, 4.0)
    assert bracket(tried[:1]) == (None, 1.0)
    assert bracket([Tried(1.0, None, False)]) == (None, None)


def test_what_cannot_be_known_is_not_searched() -> None:
    """Between rates that have too little time for the percentile."""
    rates = Rates(shares=(0.5, 1.0))
    assert next_rate([Tried(5.0, None, False), Tried(10.0, None, False)], 10.0, rates) is None
    assert next_rate([Tried(5.0, None, False), Tried(10.0, False, False)], 10.0, rates) is None
    assert next_rate([Tried(5.0, True, False), Tried(10.0, False, False)], 10.0, rates) == 7.5


@pytest.mark.parametrize(
    ("rate", "sample", "percentile", "requests"),
    [
        (100.0, 200, 99.0, 1000),  # ten seconds, in whole passes
        (10.0, 200, 99.0, 800),  # 662, in whole passes
        (5.0, 200, 99.0, 600),  # whole passes in the time
        (1.0, 200, 99.0, 120),  # a part of one
        (1.0, 200, 90.0, 120),
        (1e4, 200, 99.0, 5000),
        (1e4, 7000, 99.0, 5000),
        (1e-6, 10, 99.0, 1),
    ],
)
def test_a_rate_has_enough_requests(
    rate: float, sample: int, percentile: float, requests: int
) -> None:
    """Enough for the percentile and for the least time, as far as the most time allows."""
    assert Rates().requests(rate, sample, percentile) == requests


def measured(
    folder: Path, model: LoadedModel, limits: Limits = STRICT, rates: Rates = QUICK
) -> list[Record]:
    """The records that a measurement leaves, however it ends."""
    journal = Journal(folder / "journal.jsonl", a_session())
    scenario = Server(limits=limits, rates=rates)
    with Pauses() as pauses:
        scenario.measure(Bench(model, REQUESTS, journal, Watch("cpu"), pauses, "cell"))
    return Journal(folder / "journal.jsonl", a_session()).records


def tried(records: Sequence[Record]) -> list[Tried]:
    return [Tried(one.rate, one.holds(STRICT, QUICK), one.stopped) for one in loads(records)]


def test_every_rate_is_asked_by_its_schedule(tmp_path: Path) -> None:
    """All requests once at once, whose answers are scored; then each rate in whole passes."""
    model = Queue()
    records = measured(tmp_path, model)
    first = at_once(records)
    assert {one.id: one.text for one in first} == {n: f"re: prompt {n}" for n in IDS}
    assert len(first) == len(IDS)
    assert rate_at_once(first) == pytest.approx(100, rel=0.05)
    found = loads(records)
    assert len(found) > 3
    for load in found:
        count = len(load.records)
        assert load.stopped or count % len(IDS) == 0
        schedule = poisson(IDS, count, load.rate, QUICK.seed)
        asked = [(one.id, one.repetition) for one in load.records]
        assert asked == [(one.id, one.repetition) for one in schedule]
        start = load.records[0].due_ns - schedule[0].ns
        assert [one.due_ns - start for one in load.records] == [one.ns for one in schedule]
        assert all(one.due_ns <= one.start_ns for one in load.records)
    assert Server(limits=STRICT, rates=QUICK).is_complete(records, IDS)
    for play in model.plays[1:]:
        assert all(one.due_ns > time.perf_counter_ns() - 60 * SECOND for one in play)


def test_the_highest_rate_is_that_of_the_queue(tmp_path: Path) -> None:
    """One server of 10 ms answers 100 a second: at 30 ms for the first token clearly fewer."""
    holds, fails = bracket(tried(measured(tmp_path / "one", Queue())))
    assert holds is not None
    assert fails is not None
    assert 20 < holds < fails < 100
    assert fails / holds < 1.2
    four, _ = bracket(tried(measured(tmp_path / "four", Queue(servers=4))))
    assert four is not None
    assert four > 4 * holds, "servers that share a queue wait less"


def test_an_overload_is_stopped_and_marked(tmp_path: Path) -> None:
    """A request without an answer by then has a record that says so, and is over the limits."""
    rates = QUICK.model_copy(update={"shares": (0.5, 8.0, 9.0), "searched": 0, "min_seconds": 1.0})
    limits = Limits(ttft_s=0.05, tpot_s=1, percentile=90)
    records = measured(tmp_path, Queue(), limits, rates)
    low, high = loads(records)
    assert (low.stopped, high.stopped) == (False, True)
    assert high.rate == pytest.approx(8 * low.rate / 0.5, rel=0.01)
    lost = [one for one in high.records if one.failure == STOPPED]
    assert 0 < len(lost) < len(high.records)
    assert high.holds(limits, rates) is False
    assert high.kept(limits).count(True) <= len(high.records) - len(lost)
    # Above a rate that was stopped no other is tried.
    assert Server(limits=limits, rates=rates).is_complete(records, IDS)


def test_requests_without_an_answer_count_as_late(tmp_path: Path) -> None:
    """A server that refuses one in five holds no limit of 90 %, however fast the others are."""
    records = measured(tmp_path, Queue(servers=50, fails=5))
    assert {one.holds for one in tried(records)} == {False}
    for load in loads(records):
        assert load.kept(STRICT).count(True) == len(load.records) - len(load.records) // 5


def test_it_warms_up_at_once() -> None:
    """Trials of an engine before its first batch are in no timed request."""
    model = Queue()
    found = Server().warm_up(model, list(REQUESTS.values()), Warmup(minimum=2, maximum=12))
    assert found.requests == sum(len(play) for play in model.plays)
    assert {len(play) for play in model.plays} == {4}


class Dies(Queue):
    """Fails for lack of memory in the play of that number."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at

    def answer(self, requests: Sequence[Due]) -> Iterator[tuple[str, Generation | Failed]]:
        for number, one in enumerate(super().answer(requests)):
            if len(self.plays) > self.at and number == 5:
                raise OutOfMemoryError("too much")
            yield one


@pytest.mark.parametrize("at", [0, 1, 3])
def test_complete_rates_stay_and_the_current_one_is_repeated(tmp_path: Path, at: int) -> None:
    """The search then continues as if nothing had happened."""
    with pytest.raises(OutOfMemoryError):
        measured(tmp_path, Dies(at))
    kept = Journal(tmp_path / "journal.jsonl", a_session()).records
    assert len(loads(kept)) == max(0, at - 1)
    assert not Server(limits=STRICT, rates=QUICK).is_complete(kept, IDS)
    model = Queue()
    records = measured(tmp_path, model)
    assert records[: len(kept)] == kept
    alone = measured(tmp_path / "alone", Queue())
    keys = Counter((one.id, one.rate, one.repetition) for one in records)
    assert set(keys.values()) == {1}
    assert [one.rate for one in loads(records)] == pytest.approx(
        [one.rate for one in loads(alone)], rel=0.02
    )


def test_a_part_of_a_rate_is_repeated(tmp_path: Path) -> None:
    """It is repeated after a line of the journal or of a requests.jsonl was altered."""
    records = measured(tmp_path, Queue())
    path = tmp_path / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(line for number, line in enumerate(lines) if number != 60))
    part = Journal(path, a_session()).records
    assert len(part) == len(records) - 1
    assert not Server(limits=STRICT, rates=QUICK).is_complete(part, IDS)
    model = Queue()
    again = measured(tmp_path, model)
    assert len(model.plays) == 1
    assert {one.key for one in again} == {one.key for one in records}


@settings(deadline=None)
@given(late=st.integers(0, 40), count=st.integers(1, 400), percentile=st.sampled_from([50, 90]))
def test_a_limit_holds_by_early_stopping(late: int, count: int, percentile: float) -> None:
    """Counted from the schedule: a request that waited is late, however fast it was then."""
    limits, rates = Limits(ttft_s=1, percentile=percentile), Rates(min_seconds=1e-3)
    late = min(late, count)
    model = Queue()
    records = []
    for number in range(count):
        answer = model.answered(Generate("p", 3), int(2 * SECOND))
        due = 0 if number < late else answer.start_ns
        records.append(
            Record(str(number), "", answer.text, 3, 2, "stop", due, answer.start_ns,
                   answer.arrivals, answer.end_ns, 0, rate=1.0)
        )  # fmt: skip
    load = Load(1.0, tuple(records))
    assert load.kept(limits).count(True) == count - late
    known = early_stopping.holds(late, count, percentile)
    assert load.holds(limits, rates) == known
    # In so short a time no queue could have grown.
    short = Rates(min_seconds=1000, max_seconds=1000)
    assert load.holds(limits, short) == (False if known is False else None)
