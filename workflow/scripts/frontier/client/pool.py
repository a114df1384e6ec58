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
        self._next_spare_ns = 0

    def __len__(self) -> int:
        """The number of connections, those that are being opened included."""
        return len(self._all)

    @property
    def stamped(self) -> bool:
        """Whether the kernel reports when bytes arrived."""
        return any(connection.stamped for connection in self._all)

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
        now = time.perf_counter_ns()
        for connection in [one for one in self.idle if 0 < one.stale_ns <= now]:
            self.close(connection)

    def give(self, connection: Connection, kept_s: float | None) -> None:
        """Takes back a connection, which the server keeps so long without a request."""
        if kept_s is not None:
            kept_ns = int(max(0.0, kept_s - SLACK_S) * 1e9)
            connection.stale_ns = time.perf_counter_ns() + kept_ns
        self.idle.append(connection)
        self.watch(connection)

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
