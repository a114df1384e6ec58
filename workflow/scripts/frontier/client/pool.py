"""The connections to a server: those that are being opened, that are idle, and that are busy."""

from __future__ import annotations

import selectors
import ssl
import time
from collections import deque

from frontier.client.connection import Connection, FailedError, Place, resolve
from frontier.client.lateness import Waiting
from frontier.client.origin import Origin

PAUSE_NS = 100_000_000
"""Between attempts to open spare connections to a server that refused one."""
SLACK_S = 1.0
"""The time before the server ends an unused connection in which it is not used any more."""
SOON_NS = 1_000_000_000
"""A connection that the server ends within this time of an answer has had its last one."""
READS = selectors.EVENT_READ
BOTH = selectors.EVENT_READ | selectors.EVENT_WRITE


class Pool:
    """Connections, each watched for what it waits for."""

    def __init__(self, origin: Origin, waiting: Waiting) -> None:
        """Opens none yet."""
        self._origin, self._waiting = origin, waiting
        self._tls = ssl.create_default_context() if origin.tls else None
        self._places: list[Place] = []
        self._all: dict[Connection, tuple[int, int]] = {}
        """The descriptor and the events for which each is watched."""
        self.opening: set[Connection] = set()
        self.idle: deque[Connection] = deque()
        """Those to use first are at the end."""
        self.stamped = False
        """Whether the kernel has reported of any when bytes arrived."""
        self.most = 0
        """The most there were at once."""
        self._next_spare_ns = 0
        self._kept_ns: int | None = None
        """The time for which the server keeps an unused connection, once it has said so."""
        self._most_calls: int | None = None
        """The calls after which the server has ended a connection and had not said so."""

    def __len__(self) -> int:
        """The number of connections, those that are being opened included."""
        return len(self._all)

    def resolve(self) -> None:
        """Finds the server's addresses, unless they are known. Raises FailedError."""
        self._places = self._places or resolve(self._origin)

    def forget(self) -> None:
        """Forgets the server's addresses: by the next time it may have others."""
        self._places = []

    def open(self) -> Connection:
        """Starts to open a connection. Raises FailedError."""
        connection = Connection(self._origin, self._places, self._tls)
        self.opening.add(connection)
        self.watch(connection)
        self.most = max(self.most, len(self))
        self.stamped = self.stamped or connection.stamped
        return connection

    def open_spare(self, wanted: int, most: int) -> None:
        """Starts to open a connection if fewer than `wanted` are idle, and `most` do not exist."""
        now = time.perf_counter_ns()
        if len(self.idle) + len(self.opening) >= wanted or len(self) >= most:
            return
        if now >= self._next_spare_ns:
            try:
                self.open()
            except FailedError:
                self.pause()

    def pause(self) -> None:
        """Opens no spare connection for a while."""
        self._next_spare_ns = time.perf_counter_ns() + PAUSE_NS

    def advance(self, connection: Connection) -> None:
        """Continues to open a connection. Raises FailedError, and closes it."""
        try:
            connection.advance()
        except FailedError:
            self.close(connection)
            raise
        if connection.ready:
            self.opening.remove(connection)
        self.watch(connection)

    def drop_stale(self) -> None:
        """Closes the idle connections that the server may end soon."""
        now, kept_ns = time.perf_counter_ns(), self._kept_ns
        for connection in list(self.idle):
            if kept_ns is not None and not connection.calls:
                connection.stale_ns = connection.began_ns + kept_ns
            if 0 < connection.stale_ns <= now:
                self.close(connection)

    def give(self, connection: Connection, kept_s: float | None) -> None:
        """Takes back a connection, which the server keeps so long without a request.

        It is closed if the server has ended others after as many calls.
        """
        connection.calls += 1
        connection.idle_ns = time.perf_counter_ns()
        if self._most_calls is not None and connection.calls >= self._most_calls:
            self.close(connection)
            return
        if kept_s is not None:
            self._kept_ns = int(max(0.0, kept_s - SLACK_S) * 1e9)
            connection.stale_ns = connection.idle_ns + self._kept_ns
        self.idle.append(connection)
        self.watch(connection)

    def ended(self, connection: Connection) -> None:
        """Notes that the server has ended a connection; llama.cpp's does so after each answer."""
        soon = time.perf_counter_ns() - connection.idle_ns < SOON_NS
        if connection.calls and soon:
            self._most_calls = min(connection.calls, self._most_calls or connection.calls)

    def look(self, connection: Connection) -> None:
        """Closes an idle connection that the server has ended, or on which it says something."""
        try:
            if connection.wants_write:
                connection.send(memoryview(b""))
                self.watch(connection)
            data, _, _ = connection.read()
        except OSError:
            data = b""
        if data is not None:
            self.ended(connection)
            self.close(connection)

    def watch(self, connection: Connection) -> None:
        """Watches a connection for what it waits for."""
        selector, known = self._waiting.selector, self._all.get(connection)
        wanted = (connection.socket.fileno(), BOTH if connection.wants_write else READS)
        if wanted == known:
            return
        if known and known[0] == wanted[0] and connection.ready:
            selector.modify(*wanted, connection)
        else:
            if known:
                selector.unregister(known[0])
            selector.register(*wanted, connection)
        self._all[connection] = wanted

    def close(self, connection: Connection) -> None:
        """Closes a connection."""
        descriptor, _ = self._all.pop(connection)
        self._waiting.selector.unregister(descriptor)
        self.opening.discard(connection)
        if connection in self.idle:
            self.idle.remove(connection)
        connection.close()
