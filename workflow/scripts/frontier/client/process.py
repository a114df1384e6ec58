"""The client's process: it plays calls, and hands over each outcome while nothing else is due."""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import signal
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

from frontier.client import Limits
from frontier.client.origin import Origin
from frontier.client.player import Player, Sending
from frontier.client.scheduling import run_first

FILES = 64
"""Descriptors besides those of connections."""
MANY_FILES = 10_240
LOOK_NS = 100_000_000
"""Between two looks whether the process that started this one still runs."""
SECOND = 1e9


@dataclass(frozen=True)
class Start:
    """The first message to the process."""

    origin: Origin
    limits: Limits


@dataclass(frozen=True)
class Play:
    """A message to the process: calls to play, in the order in which they are due."""

    calls: Sequence[Sending]
    connections: int
    most: int | None


@dataclass(frozen=True)
class Conduct:
    """The client's own load and scheduling while it played calls."""

    scheduling: str
    """SCHED_FIFO, or why it was ordinary."""
    delay_known: bool
    """Whether the system says how long the client was kept waiting."""
    stamped: bool
    """Whether the kernel reported when bytes arrived."""
    connections: int
    """The most that were open at once."""
    fresh: int
    """Calls for which no connection was open when they were due."""
    processor_s: float
    """Processor time of the client."""
    passed_s: float
    timers: int
    """Number of its timers, and how late they were, in nanoseconds."""
    timer_p50_ns: int
    timer_p99_ns: int
    timer_most_ns: int


class Pipe:
    """Messages to the other process, written as far as they can be without waiting."""

    def __init__(self, descriptor: int) -> None:
        """Takes the descriptor of a pipe."""
        self._descriptor = descriptor
        self._parts: deque[memoryview] = deque()
        os.set_blocking(descriptor, False)

    def add(self, message: object) -> None:
        """Adds a message."""
        self._parts.append(memoryview(pickle.dumps(message, pickle.HIGHEST_PROTOCOL)))

    def write(self) -> None:
        """Writes what can be written now. Raises BrokenPipeError if nobody reads."""
        with contextlib.suppress(BlockingIOError):
            while self._parts:
                written = os.write(self._descriptor, self._parts[0])
                if written < len(self._parts[0]):
                    self._parts[0] = self._parts[0][written:]
                else:
                    self._parts.popleft()

    def drain(self) -> None:
        """Writes everything."""
        os.set_blocking(self._descriptor, True)
        self.write()
        os.set_blocking(self._descriptor, False)


class Played:
    """The client's process, after its start."""

    def __init__(self, start: Start, pipe: Pipe) -> None:
        """Gets the right of way, then opens the player."""
        self._pipe = pipe
        self._parent = os.getppid()
        self._next_look_ns = 0
        self._scheduling = run_first()
        self._most = _most_files() - FILES
        self._player = Player(start.origin, start.limits, self._between)
        # A collection would stop the clock; what a play leaves behind has no cycles.
        gc.collect()
        gc.freeze()
        gc.disable()

    def _between(self) -> None:
        self._pipe.write()
        now = time.perf_counter_ns()
        if now >= self._next_look_ns:
            self._next_look_ns = now + LOOK_NS
            if os.getppid() != self._parent:
                os._exit(1)

    def play(self, message: Play) -> None:
        """Plays calls; writes each outcome and, last, the conduct."""
        player, timers = self._player, self._player.waiting.timers
        del timers[:]
        most = self._most if message.most is None else max(1, min(message.most, self._most))
        began, used = time.perf_counter_ns(), time.process_time_ns()
        player.play(
            message.calls,
            message.connections,
            most,
            lambda index, outcome: self._pipe.add((index, outcome)),
        )
        passed, used = time.perf_counter_ns() - began, time.process_time_ns() - used
        late = sorted(timers) or [0]
        self._pipe.add(
            Conduct(
                scheduling=self._scheduling,
                delay_known=player.waiting.delay_known,
                stamped=player.pool.stamped,
                connections=player.pool.most,
                fresh=player.fresh,
                processor_s=used / SECOND,
                passed_s=passed / SECOND,
                timers=len(timers),
                timer_p50_ns=late[len(late) // 2],
                timer_p99_ns=late[len(late) * 99 // 100],
                timer_most_ns=late[-1],
            )
        )
        self._pipe.drain()


def _most_files() -> int:
    """The number of files that this process may open, after asking for as many as allowed."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Without a limit there still is one: macOS allows 10,240.
    wanted = MANY_FILES if hard == resource.RLIM_INFINITY else hard
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(wanted, soft), hard))
        soft = max(wanted, soft)
    return int(soft)


def main() -> None:
    """Reads messages until the pipe ends, which it does when the other process ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    messages: BinaryIO = sys.stdin.buffer
    with contextlib.suppress(EOFError, BrokenPipeError):
        played = Played(pickle.load(messages), Pipe(sys.stdout.fileno()))
        while True:
            played.play(pickle.load(messages))
    os._exit(0)
