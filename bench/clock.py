"""Errors of the client's times, against a server that plays programmed streams.

    python bench/clock.py                                    all schedules, streams and loads
    python bench/clock.py --streams 64 --busy 1 --each       a line for each schedule
    python bench/clock.py --tls                              over TLS
    python bench/clock.py --bare                             the client and a bare socket

The truth is the server's own time of each of its writes. A line has, over all streams of all
schedules, the errors of the times reported (p50 and p99 in milliseconds, of TTFT, gaps between
tokens and end to end), and of the figures: p50, p90, p99 and mean of these for each schedule.
`invalid`: schedules whose figures the gate withholds; `wrong`: schedules with a figure that is off
by more than the gate permits and was not withheld. This must be 0. `setpriv --bounding-set
-sys_nice` before the command takes root's right to SCHED_FIFO from the client and the server.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import schedules
from numpy.typing import NDArray
from schedules import SCHEDULES, Step, Truth

from frontier.client import Call, Exchange, Read
from frontier.client.client import Client
from frontier.client.exactness import allowed_s
from frontier.client.framing import Response
from frontier.client.origin import Origin
from frontier.gates import client as gate
from frontier.results.records import Record
from played_server import PlayedServer

CERTIFICATE = Path(__file__).resolve().parents[1] / "tests" / "localhost.pem"
STREAMS = (1, 16, 64)
REQUESTS = {1: 6, 16: 32}
"""Requests of each schedule, by the number of streams; otherwise one a stream."""
NAMES = ("TTFT", "gap", "e2e")
MS = 1e6
Times = dict[str, NDArray[np.float64]]


@dataclass
class Run:
    """The requests of one schedule: the times reported, and the true ones, in nanoseconds."""

    name: str
    reported: Times
    true: Times
    reason: str | None
    """The gate's reason to withhold the figures."""
    worst: str = ""
    off: float = 0.0
    """The largest error of a figure as a multiple of the permitted one, and which one it is."""
    error_ms: dict[str, float] = field(default_factory=dict)
    """The largest error of a figure by name."""


def times(record: Record, truth: Truth, open_loop: bool) -> tuple[Times, Times]:
    """The latencies of a request as reported, and as they were."""
    late = record.start_ns - record.due_ns
    own = np.array([arrival.ns for arrival in record.arrivals], dtype=np.float64)
    # Within its own sending the server cannot say when the bytes left.
    true = np.array(
        [
            min(max(ns, began - record.start_ns), max(began, ended - MS / 10) - record.start_ns)
            for ns, (began, ended, _) in zip(own, truth.tokens, strict=True)
        ]
    )
    shift = late if open_loop else 0
    return (
        {"TTFT": own[:1], "gap": np.diff(own), "e2e": own[-1:] + shift},
        {"TTFT": true[:1], "gap": np.diff(true), "e2e": true[-1:]},
    )


def figures(values: NDArray[np.float64]) -> Iterator[tuple[str, float]]:
    """The figures that are published of latencies."""
    yield "mean", float(values.mean())
    for name, q in gate.QUANTILES.items():
        yield name, float(np.quantile(values, q))


def judged(name: str, pairs: Sequence[tuple[Record, Truth]], open_loop: bool = False) -> Run:
    """The errors of a schedule's requests, and whether the gate withholds its figures."""
    both = [times(record, truth, open_loop) for record, truth in pairs]
    reported, true = (
        {one: np.concatenate([each[side][one] for each in both]) for one in NAMES}
        for side in (0, 1)
    )
    run = Run(name, reported, true, gate.reason_of([record for record, _ in pairs]))
    for one in NAMES:
        if not reported[one].size:
            continue
        for (figure, said), (_, was) in zip(
            figures(reported[one]), figures(true[one]), strict=True
        ):
            error = abs(said - was)
            run.error_ms[one] = max(run.error_ms.get(one, 0.0), error / MS)
            off = error / 1e9 / allowed_s(was / 1e9)
            if off > run.off:
                run.off, run.worst = off, f"{figure} {one}"
    return run


def play(
    client: Client, name: str, programmed: Sequence[Step], streams: int, requests: int | None = None
) -> Run:
    """Plays one schedule on so many streams at once."""
    pairs = []
    for begin in range(0, requests or REQUESTS.get(streams, streams), streams):
        calls = [schedules.call(f"{begin + n}", programmed) for n in range(streams)]
        for exchange in client.play(calls):
            pairs.append(schedules.record(exchange, programmed, open_loop=False))
    return judged(name, pairs)


def poisson(client: Client, rate: float, count: int, seed: int = 0) -> Run:
    """Requests of the first schedule at Poisson times, whatever is under way."""
    name, programmed = next(iter(SCHEDULES.items()))
    waits = np.random.default_rng(seed).exponential(1e9 / rate, count)
    due = (time.perf_counter_ns() + 3e9 + np.cumsum(waits)).astype(int)
    calls = [schedules.call(str(n), programmed, int(ns)) for n, ns in enumerate(due)]
    pairs = [
        schedules.record(exchange, programmed, open_loop=True)
        for exchange in client.play(calls, connections=min(count, 256))
    ]
    return judged(f"{name}, {rate:g} requests a second", pairs, open_loop=True)


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """Keeps cores busy with something else."""
    loops = [multiprocessing.Process(target=_spin, daemon=True) for _ in range(processes)]
    for loop in loops:
        loop.start()
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.join()


def _spin() -> None:
    while True:
        pass


def errors(runs: Sequence[Run], name: str) -> str:
    """The p50 and the p99 of the absolute errors of all times."""
    values = np.concatenate([abs(run.reported[name] - run.true[name]) for run in runs]) / MS
    if not values.size:
        return f"{'':16}"
    return f"{np.quantile(values, 0.5):7.3f} /{np.quantile(values, 0.99):7.3f}"


def line(title: str, runs: Sequence[Run]) -> str:
    """A line of the table."""
    worst = max(runs, key=lambda run: run.off)
    invalid = sum(run.reason is not None for run in runs)
    wrong = sum(run.reason is None and run.off > 1 for run in runs)
    return (
        f"{title:34}" + " ".join(errors(runs, name) for name in NAMES)
        + f"  {max(max(run.error_ms.values()) for run in runs):7.3f} ({worst.worst})"
        + f"  invalid {invalid} of {len(runs)}, wrong {wrong}"
    )  # fmt: skip


HEADING = f"{'':34}" + " ".join(f"{name + ' p50 / p99':>16}" for name in NAMES) + "  worst figure"


@contextmanager
def served(tls: bool) -> Iterator[Client]:
    """A client of a server that plays programmed streams."""
    if tls:
        os.environ["SSL_CERT_FILE"] = str(CERTIFICATE)
    with PlayedServer(CERTIFICATE if tls else None) as server:
        named = server.url.replace("127.0.0.1", "localhost")  # as in the certificate
        client = Client(named)
        try:
            yield client
        finally:
            client.close()


def table(
    streams: Sequence[int], loads: Sequence[int], each: bool, most: int | None, tls: bool
) -> None:
    """Prints the table."""
    chosen = dict(list(SCHEDULES.items())[:most])
    print(f"{len(chosen)} schedules; times in ms; load {os.getloadavg()[0]:.1f}\n{HEADING}")
    for load in loads:
        with served(tls) as client, busy(load):
            for count in streams:
                runs = [play(client, name, steps, count) for name, steps in chosen.items()]
                title = f"{count} streams, {load} busy cores"
                print(line(title, runs), flush=True)
                for run in runs if each else ():
                    print(line(f"  {run.name}", [run]), run.reason or "")
            runs = [poisson(client, rate, int(4 * rate)) for rate in (20, 200)]
            print(line(f"Poisson 20 and 200/s, {load} busy", runs), client.conduct, flush=True)


def bare(server: PlayedServer, call: Call) -> tuple[Exchange, int]:
    """The exchange of a loop around a blocking socket, and its processor time."""
    data, response = Origin.of(server.url).encode(call), Response()
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        exchange = Exchange(call=call)
        parts: list[tuple[int, bytes]] = []
        used, exchange.sent_ns = time.process_time_ns(), time.perf_counter_ns()
        connection.sendall(data)
        while not parts or not parts[-1][1].endswith(b"0\r\n\r\n"):
            part = connection.recv(65536)
            parts.append((time.perf_counter_ns(), part))
        used = time.process_time_ns() - used
    exchange.reads = [Read(ns, body, 0) for ns, part in parts if (body := response.feed(part))]
    return exchange, used


def beside_bare(pairs: int) -> None:
    """Prints our client's and a bare loop's errors and processor time, asked in turns."""
    programmed = next(iter(SCHEDULES.values()))
    used: dict[str, list[float]] = {"client": [], "bare": []}
    runs: dict[str, list[tuple[Record, Truth]]] = {"client": [], "bare": []}
    with PlayedServer() as server, Client(server.url) as client:
        call = schedules.call("0", programmed)
        for _ in range(pairs):
            exchange = client.ask(call)
            assert client.conduct
            used["client"].append(client.conduct.processor_s * 1e9)
            other, spent = bare(server, call)
            used["bare"].append(spent)
            for name, one in (("client", exchange), ("bare", other)):
                runs[name].append(schedules.record(one, programmed, open_loop=False))
    print(f"{pairs} pairs, a stream of {len(programmed)} tokens; load {os.getloadavg()[0]:.1f}")
    print(HEADING)
    for name, timed in runs.items():
        first = np.median([record.arrivals[0].ns for record, _ in timed]) / MS
        cost = np.median(used[name]) / MS
        print(line(name, [judged(name, timed)]), f"TTFT p50 {first:.3f}, processor {cost:.2f}")


def main() -> None:
    """Prints what the options ask for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--streams", type=int, nargs="+", default=STREAMS)
    parser.add_argument("--busy", type=int, nargs="+", default=(0, 1), help="busy processes")
    parser.add_argument("--schedules", type=int, help="only so many")
    parser.add_argument("--each", action="store_true", help="a line for each schedule, too")
    parser.add_argument("--tls", action="store_true", help="over TLS")
    parser.add_argument("--bare", action="store_true", help="compare with a bare loop instead")
    arguments = parser.parse_args()
    if arguments.bare:
        beside_bare(40)
    else:
        most, tls = arguments.schedules, arguments.tls
        table(arguments.streams, arguments.busy, arguments.each, most, tls)


if __name__ == "__main__":
    main()
