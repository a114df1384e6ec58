"""The table of bench/clock.py, small: a figure is right, or it is withheld; on any machine."""

from __future__ import annotations

import signal
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from cells import ROOT
from frontier.client.client import Client
from played_server import PlayedServer

sys.path.insert(0, str(ROOT / "bench"))

import clock
import schedules
from schedules import SCHEDULES

CERTIFICATE = Path(__file__).parents[1] / "localhost.pem"
FEW = (
    "50 ms, then 10 ms",
    "burst at the end",
    "five events a write",
    "speculation",
    "role chunk late",
)


def check(run: clock.Run) -> None:
    """Asserts that no figure is wrong, unless the gate withholds them."""
    assert run.reason or run.off <= 1, f"{run.name}: {run.worst}: {run.error_ms}"


@pytest.mark.parametrize("loops", [0, 1])
def test_figures_are_right_or_withheld(loops: int) -> None:
    """Figures of one stream and of many, also while a busy loop runs."""
    with PlayedServer() as server, Client(server.url) as client, clock.busy(loops):
        for name in FEW:
            for streams, requests in ((1, 2), (16, 16), (64, 64)):
                check(clock.play(client, name, SCHEDULES[name], streams, requests))
        check(clock.poisson(client, rate=50, count=30))
        conduct = client.conduct
    assert conduct
    assert conduct.processor_s > 0
    assert conduct.scheduling == "SCHED_FIFO" or "SCHED_FIFO" in conduct.scheduling
    assert conduct.timers > 0


def test_a_client_that_stood_still() -> None:
    """A stopped client reads in one go what came one by one; its figures are withheld."""
    programmed = schedules.steps(50, [10.0] * 200)
    with PlayedServer() as server, Client(server.url) as client:
        client.ask(schedules.call("warm", SCHEDULES["one token"]))
        process, stopped = psutil.Process(client.pid), []

        def stop() -> None:
            time.sleep(0.5)
            stopped.append(time.perf_counter_ns())
            process.send_signal(signal.SIGSTOP)
            time.sleep(0.5)
            stopped.append(time.perf_counter_ns())
            process.send_signal(signal.SIGCONT)

        stopper = threading.Thread(target=stop)
        stopper.start()
        exchange = client.ask(schedules.call("1", programmed))
        stopper.join()
    record, truth = schedules.record(exchange, programmed, open_loop=False)
    run = clock.judged("stopped", [(record, truth)])
    check(run)
    began, ended = (ns - record.start_ns for ns in stopped)
    if began > record.arrivals[0].ns and ended < record.end_ns:  # not on a very slow machine
        assert run.reason
        assert "client: it was late" in run.reason


def test_the_truth_of_a_wrong_client() -> None:
    """The table notices a client whose times are wrong but not withheld."""
    programmed = SCHEDULES["50 ms, then 10 ms"]
    with PlayedServer() as server, Client(server.url) as client:
        exchange = client.ask(schedules.call("1", programmed))
    for read in exchange.reads[5:]:
        index = exchange.reads.index(read)
        exchange.reads[index] = read._replace(ns=read.ns + 20_000_000, late_ns=0)
    run = clock.judged("wrong", [schedules.record(exchange, programmed, open_loop=False)])
    assert run.off > 1
