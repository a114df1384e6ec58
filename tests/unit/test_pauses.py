"""A process that stands still: by a signal, by other clocks than these, and by nothing at all."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from frontier.measuring.pauses import SECOND, Pauses
from frontier.results.journal import Journal
from measurements import a_session
from waiting import PATIENCE_S, wait_until

SCRIPTS = Path(__file__).resolve().parents[2] / "workflow" / "scripts"


class Clocks:
    """A process's clocks, set by hand."""

    def __init__(self) -> None:
        self.clock_ns, self.processor_s, self.suspended_s = 0, 0.0, 0.0
        self.pauses = Pauses(
            lambda: self.clock_ns, lambda: self.processor_s, lambda: self.suspended_s
        )

    def go_on(self, seconds: float, processor: float, suspended: float = 0.0) -> None:
        """Time passes, of which the process has used some."""
        self.clock_ns += int(seconds * SECOND)
        self.processor_s += processor
        self.suspended_s += suspended


@pytest.mark.parametrize(
    ("seconds", "processor", "suspended", "still"),
    [
        (5.0, 0.1, 0.0, True),  # stopped or frozen, after a tenth of a second of two threads' work
        (30.0, 6.0, 0.0, True),
        (0.01, 0.01, 60.0, True),  # suspended: the clock of the requests stopped as well
        (5.0, 5.0, 0.0, False),  # a long prefill that lets no other thread run
        (5.0, 40.0, 0.0, False),
        (0.8, 0.0, 0.0, False),  # a busy machine that let it wait
        (0.05, 0.0, 0.0, False),
    ],
)
def test_what_is_a_standstill(
    seconds: float, processor: float, suspended: float, still: bool
) -> None:
    """Nothing of the process ran although time passed; and only the request meanwhile is marked."""
    clocks = Clocks()
    clocks.go_on(1.0, 1.0)
    clocks.pauses.look()
    before = clocks.clock_ns
    clocks.go_on(seconds, processor, suspended)
    clocks.pauses.look()
    after = clocks.clock_ns
    clocks.go_on(0.1, 0.1)
    clocks.pauses.look()
    assert clocks.pauses.during(before, after) is still
    assert not clocks.pauses.during(after + 1, clocks.clock_ns)
    assert not clocks.pauses.during(0, before - 1)


# Answers a request in a tenth of a second, waiting or computing; stops itself during two of them.
PROGRAM = """
import json, os, signal, sys, time
from dataclasses import asdict
from pathlib import Path
from frontier.arrivals import one_by_one
from frontier.engines import Generate, Generation, LoadedModel
from frontier.measuring import sessions
from frontier.measuring.contention import Watch
from frontier.measuring.pauses import Pauses
from frontier.results.journal import Journal
from frontier.scenarios import Bench
from frontier.scenarios.single_stream import SingleStream

class Model(LoadedModel):
    asked = 0

    def render(self, prompt):
        return prompt

    def generate(self, request):
        start = time.perf_counter_ns()
        self.asked += 1
        for half in (1, 2):
            if sys.argv[2] == "waiting":
                time.sleep(0.05)
            while time.perf_counter_ns() - start < half * 50_000_000:
                pass
            if half == 1 and self.asked in (5, 11):
                os.kill(os.getpid(), signal.SIGSTOP)
        return Generation("x", 1, "stop", start, one_by_one([1]), time.perf_counter_ns() - start)

journal = Journal(Path(sys.argv[1]), sessions.here(None, None, ()))
requests = {f"r{number}": Generate("?", 1) for number in range(20)}
with Pauses() as pauses:
    SingleStream().measure(Bench(Model(), requests, journal, Watch("cpu"), pauses, "cell"))
"""


@pytest.mark.parametrize("how", ["waiting", "computing"])
def test_a_request_during_which_the_process_was_stopped_is_timed_again(
    how: str, tmp_path: Path
) -> None:
    """The stop is in no request's time, however short it was."""
    path = tmp_path / "journal.jsonl"
    running = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, path, how],
        env=os.environ | {"PYTHONPATH": str(SCRIPTS)},
    )
    process, stops = psutil.Process(running.pid), []
    for seconds in (3.0, 0.9):
        wait_until(lambda: process.status() == psutil.STATUS_STOPPED, "it stops", running)
        begin = time.perf_counter_ns()  # the clock of all processes
        time.sleep(seconds)
        stops.append((begin, time.perf_counter_ns()))
        running.send_signal(signal.SIGCONT)
        wait_until(lambda: process.status() != psutil.STATUS_STOPPED, "it continues")
    assert running.wait(PATIENCE_S) == 0
    records = [json.loads(line) for line in path.read_bytes().splitlines()[1:]]
    assert len(records) == 20
    assert not any(record["paused"] for record in records)
    for record in records:
        start, end = record["start_ns"], record["start_ns"] + record["end_ns"]
        assert all(end < begin or start > over for begin, over in stops), record
    # A machine that lets a process wait for a second adds to the two.
    assert 2 <= sum(record["attempts"] - 1 for record in records) <= 4


AGAIN = """
import os, signal, sys, time
from pathlib import Path
from types import SimpleNamespace
from frontier import scenarios
from frontier.arrivals import one_by_one
from frontier.catalogue.devices import Warmup
from frontier.engines import Generate, Generation, Loaded, LoadedModel
from frontier.measuring import sessions
from frontier.measuring.contention import Watch
from frontier.measuring.pauses import Pauses
from frontier.results.journal import Journal
from frontier.scenarios import Bench
from frontier.scenarios.common import repeating
from frontier.scenarios.single_stream import SingleStream
from frontier.specs.measure import MeasureSpec

class Model(LoadedModel):
    loaded = Loaded(None, None, None)
    stops = 0

    def render(self, prompt):
        return prompt

    def generate(self, request):
        start = time.perf_counter_ns()
        time.sleep(0.02)
        if request.prompt == "3" and self.stops < 3:
            self.stops += 1
            os.kill(os.getpid(), signal.SIGSTOP)
        return Generation("x", 1, "stop", start, one_by_one([1]), time.perf_counter_ns() - start)

limits = Warmup(minimum=2, maximum=4, tolerance=100)
spec = MeasureSpec.model_construct(
    max_background_cores=1e6, max_drift=None, max_slowed=1.0, attempts=2,
    engine=SimpleNamespace(slice=lambda step: {}),
    device=SimpleNamespace(accelerator="cpu", warmup=limits),
)
journal = Journal(Path(sys.argv[1]), sessions.here(None, None, ()))
requests = {f"r{number}": Generate(str(number), 1) for number in range(8)}
with Pauses() as pauses:
    bench = Bench(Model(), requests, journal, Watch("cpu"), pauses, "cell")
    journal.loaded(scenarios.warmed(SingleStream(), bench, limits))
    repeating.timed(SingleStream(), bench)
    repeating.until_sound(spec, SingleStream(), bench)
"""


def test_a_request_that_was_stopped_each_time_is_asked_in_another_session(tmp_path: Path) -> None:
    """Three stops by a real signal are all attempts of one request, whose gate then fails."""
    path = tmp_path / "journal.jsonl"
    running = subprocess.Popen(
        [sys.executable, "-c", AGAIN, path], env=os.environ | {"PYTHONPATH": str(SCRIPTS)}
    )
    process = psutil.Process(running.pid)
    for _ in range(3):
        wait_until(lambda: process.status() == psutil.STATUS_STOPPED, "it stops", running)
        time.sleep(0.9)
        running.send_signal(signal.SIGCONT)
        wait_until(lambda: process.status() != psutil.STATUS_STOPPED, "it continues")
    assert running.wait(PATIENCE_S) == 0
    found = Journal(path, a_session())
    [again] = [one.loaded.again for one in found.sessions if one.loaded.again]
    assert again.reason.startswith("pause: the process was paused during")
    assert again.changed == 0
    assert len(found.records) == 8
    assert [one.session for one in found.records if one.id == "r3"] == [1]
    assert [one.paused for one in found.records if one.id == "r3"] == [False]


ALONE = """
import os, signal, time
from frontier.measuring.pauses import Pauses

before = signal.pthread_sigmask(signal.SIG_BLOCK, set())
with Pauses() as pauses:
    assert not pauses.during(0, time.perf_counter_ns())
    start = time.perf_counter_ns()
    os.kill(os.getpid(), signal.SIGCONT)
    end = time.perf_counter_ns()
    assert pauses.during(start, end)
    assert not pauses.during(time.perf_counter_ns(), time.perf_counter_ns())
    pauses.beat()
assert signal.pthread_sigmask(signal.SIG_BLOCK, set()) == before
"""


def test_the_signal_is_given_back() -> None:
    """It is held back only as long, and each is of the request that it came in.

    In a process of its own: here, threads of pytest's workers that do not hold it back may take it.
    """
    environment = os.environ | {"PYTHONPATH": str(SCRIPTS)}
    subprocess.run([sys.executable, "-c", ALONE], env=environment, check=True)
