"""MLPerf's Server over real sockets: an open loop, whatever a server does meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from test_dialects import Spoken, checkpoint, server, spoken

from frontier.catalogue.loads import Limits, Rates
from frontier.engines import Generate, LoadedModel
from frontier.figures.common.throughput import at_once as most_at_once
from frontier.measuring.contention import Watch
from frontier.measuring.pauses import Pauses
from frontier.results.journal import Journal
from frontier.results.loads import at_once, loads
from frontier.results.records import Record
from frontier.scenarios import Bench
from frontier.scenarios.common.schedule import poisson
from frontier.scenarios.server import Server
from measurements import a_session

__all__ = ["checkpoint", "server", "spoken"]
REQUESTS = {f"r{number}": Generate(f"a{number} b c", 6) for number in range(8)}
LIMITS = Limits(ttft_s=600, tpot_s=600, percentile=50)
RATES = Rates(shares=(0.5,), searched=1, min_seconds=0.01, max_seconds=60, max_requests=24)


def measured(folder: Path, model: LoadedModel) -> list[Record]:
    journal = Journal(folder / "journal.jsonl", a_session())
    with Pauses() as pauses:
        bench = Bench(model, REQUESTS, journal, Watch("cpu"), pauses, "cell")
        Server(limits=LIMITS, rates=RATES).measure(bench)
    return Journal(folder / "journal.jsonl", a_session()).records


def check_schedules(records: Sequence[Record]) -> None:
    """Each rate was asked by its schedule, and nothing was sent before it was due."""
    for load in loads(records):
        schedule = poisson(list(REQUESTS), len(load.records), load.rate, RATES.seed)
        gaps = [later.ns - sooner.ns for sooner, later in pairwise(schedule)]
        due = [later.due_ns - sooner.due_ns for sooner, later in pairwise(load.records)]
        assert due == gaps
        assert all(one.due_ns <= one.start_ns for one in load.records if not one.failure)


@pytest.mark.parametrize("name", ["vllm", "llama-server"])
def test_requests_are_sent_when_they_are_due(name: str, spoken: Spoken, tmp_path: Path) -> None:
    records = measured(tmp_path, spoken(name))
    assert len(at_once(records)) == len(REQUESTS)
    assert most_at_once(at_once(records)) > 1
    found = loads(records)
    assert len(found) == 2
    assert [load.holds(LIMITS, RATES) for load in found] == [True, True]
    assert all(one.late_ns for one in records)
    check_schedules(records)
