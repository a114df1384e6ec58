"""Streams of tokens whose times are programmed, and what a client must report of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from frontier.arrivals import Arrival
from frontier.client import Call, Exchange
from frontier.client.events import Event, parse
from frontier.results.records import Record
from played_server import STAMPS, Schedule

GAP = 10.0
"""Milliseconds between tokens, where nothing else is programmed."""
Step = tuple[float, Sequence[int]]
"""Milliseconds since the step before, and the tokens of each of the events that are sent then."""


def steps(ttft: float, gaps: Sequence[float]) -> list[Step]:
    """One token each, the first one after `ttft` milliseconds."""
    return [(wait, [1]) for wait in (ttft, *gaps)]


EVEN = [GAP] * 19
SCHEDULES: dict[str, list[Step]] = {
    "50 ms, then 10 ms": steps(50, EVEN),
    "first token at once": steps(0, EVEN),
    "first token after 5 ms": steps(5, EVEN),
    "first token after 200 ms": steps(200, EVEN),
    "2 ms a token": steps(50, [2.0] * 39),
    "1 ms a token": steps(20, [1.0] * 59),
    "40 ms a token": steps(50, [40.0] * 9),
    "gaps that grow": steps(30, [float(gap) for gap in range(1, 20)]),
    "gaps that alternate": steps(30, [2.0, 18.0] * 10),
    "a stall of 150 ms": steps(50, [*[GAP] * 8, 150.0, *[GAP] * 8]),
    "three stalls": steps(20, [5.0, 5.0, 80.0] * 3),
    "burst at the start": [(50, [1]), *[(0.0, [1])] * 9, *steps(GAP, EVEN[:8])],
    "burst at the end": [*steps(50, EVEN[:8]), *[(0.0, [1])] * 10],
    "all in one burst": [(80, [1]), *[(0.0, [1])] * 19],
    "five events a write": [(50, [1] * 5), *[(5 * GAP, [1] * 5)] * 3],
    "four tokens an event": [(50, [4]), *[(4 * GAP, [4])] * 4],
    "speculation": [(50, [1]), *[(GAP, [count]) for count in (3, 1, 4, 2, 1, 5, 1, 1, 3)]],
    "role chunk before": [(0, [0]), *steps(50, EVEN)],
    "role chunk late": [(40, [0]), *steps(10, EVEN)],
    "role chunk with the first token": [(50, [0, 1]), *steps(GAP, EVEN[:10])],
    "empty chunks after": [*steps(50, EVEN[:10]), (GAP, [0]), (GAP, [0])],
    "held-back characters": [(50, [1]), *[(GAP, [0]), (GAP, [0]), (GAP, [3])] * 4],
    "role chunks all along": [step for one in steps(25, EVEN[:10]) for step in ((0.0, [0]), one)],
    "one token": steps(50, []),
    "two tokens": steps(50, [GAP]),
}


@dataclass(frozen=True)
class Truth:
    """The times of a stream by the server, in nanoseconds."""

    tokens: list[tuple[int, int, int]]
    """The events with tokens: when the sending of each began and ended, and its tokens' number."""
    received_ns: int


def call(name: str, programmed: Sequence[Step], due_ns: int = 0) -> Call:
    """A call whose answer is this stream; its last event has the server's times."""
    played: list[tuple[float, str]] = []
    for wait, events in programmed:
        played.append((wait, "".join(f'data: {{"tokens": {n}}}\n\n' for n in events)))
    played.append((1.0, f'data: {{"times": {STAMPS}}}\n\n'))
    return Call(name, "/", {}, Schedule(played).body(), due_ns)


def record(exchange: Exchange, programmed: Sequence[Step], open_loop: bool) -> tuple[Record, Truth]:
    """The record of an exchange, as a measurement has it, and the truth about it."""
    assert exchange.failure is None, exchange.failure
    found = parse(exchange.reads)
    assert found.fault is None, found.fault
    values = [json.loads(event.data) for event in found.events]
    received, *sent = values.pop()["times"]
    writes = [write for write, (_, events) in enumerate(programmed) for _ in events]
    tokens = [value["tokens"] for value in values]
    assert tokens == [count for _, events in programmed for count in events]
    truth = [(*sent[write], n) for write, n in zip(writes, tokens, strict=True) if n]
    arrived = [event for event, n in zip(found.events, tokens, strict=False) if n]
    return _record(exchange, arrived, [n for n in tokens if n], open_loop), Truth(truth, received)


def _record(
    exchange: Exchange, arrived: Sequence[Event], tokens: Sequence[int], open_loop: bool
) -> Record:
    start = exchange.sent_ns
    times = [event.ns for event in arrived]
    return Record(
        id=exchange.call.id,
        prompt_sha256="",
        text="",
        tokens=sum(tokens),
        prompt_tokens=1,
        finish_reason="stop",
        due_ns=exchange.due_ns if open_loop else start,
        start_ns=start,
        arrivals=[Arrival(ns - start, n) for ns, n in zip(times, tokens, strict=True)],
        end_ns=times[-1] - start,
        session=0,
        late_ns=exchange.bounds([*times, times[-1]]),
    )
