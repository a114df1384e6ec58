"""Plays calls on connections that are open before they are due: one loop, in one thread."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from frontier.client import Failure, Limits, Outcome
from frontier.client.connection import Connection, FailedError
from frontier.client.flight import SECOND, Flight
from frontier.client.lateness import Waiting
from frontier.client.origin import Origin
from frontier.client.pool import Pool
from frontier.client.scheduling import UNDISTURBED_NS

SENDS = 4
"""Calls that are sent before sockets are looked at again."""
CONNECTING = 64
"""Connections that are being opened at once before the calls begin."""
CHECK_NS = 20_000_000
"""Between two checks of the limits."""
NEVER_NS = 2**62


class Sending(NamedTuple):
    """A call's bytes, and when they are due."""

    due_ns: int
    data: bytes


class Player:
    """Plays calls to one server, whose connections stay open between plays."""

    def __init__(self, origin: Origin, limits: Limits, between: Callable[[], None]) -> None:
        """`between` is called in each turn of the loop, and must be fast."""
        self._origin, self._limits, self._between = origin, limits, between
        self.waiting = Waiting()
        self.pool = Pool(origin, self.waiting)
        self._promised: dict[Connection, Flight] = {}
        """Calls that are due, by the connections that are being opened for them."""
        self._busy: dict[Connection, Flight] = {}
        self._empty_ns: dict[Connection, int] = {}
        """The time at which a busy connection's socket was last known to be empty."""
        self._failure: Failure | None = None
        """The reason why the last connection could not be opened."""
        self._next_check_ns = 0
        self._finished: Callable[[int, Outcome], None] = lambda _index, _outcome: None
        self.fresh = 0
        """Calls for which no connection was open in time."""

    def connect(self, count: int) -> Failure | None:
        """Opens connections until `count` are idle; returns why none could be opened.

        Connections that the server has closed meanwhile are replaced.
        """
        pool, self._failure = self.pool, None
        self._turn(0)
        pool.drop_stale()
        try:
            pool.resolve()
            self._open(count)
        except FailedError as error:
            self._failure = error.failure
        if pool.idle:
            return None
        pool.forget()
        return self._failure

    def _open(self, count: int) -> None:
        """Opens connections until `count` are idle, or one fails. Raises FailedError."""
        pool = self.pool
        last_ns = time.perf_counter_ns() + int(self._limits.connect_s * SECOND)
        while len(pool.idle) < count and not self._failure:
            if time.perf_counter_ns() > last_ns:  # it may have too many, and end each new one
                text = f"{self._origin.authority} has ended connections before a request"
                raise FailedError(Failure("closed", text))
            while len(pool.opening) < min(CONNECTING, count - len(pool.idle)):
                pool.open()
            self._turn(NEVER_NS)

    def play(
        self,
        calls: Sequence[Sending],
        connections: int,
        most: int,
        finished: Callable[[int, Outcome], None],
    ) -> None:
        """Sends each call when it is due, the due times ascending; 0 means at once.

        `finished` gets each call's number and outcome. `connections` are opened first, and more
        while calls are under way, so that some are idle. A call that finds none waits for one to
        be opened or, once `most` exist, for one that becomes idle.
        """
        self._finished, self.fresh, self.pool.most = finished, 0, len(self.pool)
        failure = self.connect(min(connections, len(calls), most))
        began = time.perf_counter_ns()
        queue = deque(
            Flight(index, call.data, call.due_ns or began, self._limits)
            for index, call in enumerate(calls)
        )
        while failure and queue:
            self._lost(queue.popleft(), failure)
        spare = 1 + connections // 8
        while queue or self._busy or self._promised:
            free = queue and (self.pool.idle or len(self.pool) < most)
            self._turn(queue[0].outcome.due_ns if free else NEVER_NS)
            self._send_due(queue, most)
            self.pool.open_spare(min(spare, len(queue)), most)

    def _turn(self, until_ns: int) -> None:
        """Waits, and serves all connections that have something to be done."""
        for key, _ in self.waiting.until(until_ns):
            connection: Connection = key.data
            if not connection.ready:
                self._advance(connection)
            elif connection in self._busy:
                self._exchange(connection)
            else:
                self.pool.look(connection)
        now = time.perf_counter_ns()
        if now >= self._next_check_ns:
            self._next_check_ns = now + CHECK_NS
            self._check(now)
        self._between()

    def _send_due(self, queue: deque[Flight], most: int) -> None:
        for _ in range(SENDS):
            if not queue or queue[0].outcome.due_ns > time.perf_counter_ns():
                return
            if self.pool.idle:
                self._start(self.pool.idle.pop(), queue.popleft())
            elif len(self.pool) < most:
                self._send_fresh(queue.popleft())
            else:
                return

    def _send_fresh(self, flight: Flight) -> None:
        """Opens a connection for a call that is due."""
        flight.outcome.fresh = True
        self.fresh += 1
        try:
            self._promised[self.pool.open()] = flight
        except FailedError as error:
            self._lost(flight, error.failure)

    def _advance(self, connection: Connection) -> None:
        try:
            self.pool.advance(connection)
        except FailedError as error:
            self._not_opened(connection, error.failure)
            return
        if connection.ready and connection in self._promised:
            self._start(connection, self._promised.pop(connection))
        elif connection.ready:
            self.pool.idle.appendleft(connection)

    def _start(self, connection: Connection, flight: Flight) -> None:
        self._busy[connection] = flight
        flight.send(connection)
        self._empty_ns[connection] = flight.outcome.sent_ns
        self.pool.watch(connection)

    def _exchange(self, connection: Connection) -> None:
        """Sends the rest of a call, and reads all that has arrived."""
        flight = self._busy[connection]
        if connection.wants_write:
            flight.send(connection)
        while not flight.over:
            before = time.perf_counter_ns()
            try:
                data, stamp, alone = connection.read()
            except OSError as error:
                flight.break_off(error, connection)
                break
            now = time.perf_counter_ns()
            if data is None:
                self._empty_ns[connection] = before
                break
            alone = alone and now - before < UNDISTURBED_NS
            empty = self._empty_ns[connection]
            arrived, late = self.waiting.arrival(now, stamp, alone, empty)
            flight.take(data, arrived, late, connection)
            if connection.drained:
                self._empty_ns[connection] = before
                break
        if flight.over:
            self._end(connection, flight)
        else:
            self.pool.watch(connection)

    def _end(self, connection: Connection, flight: Flight) -> None:
        del self._busy[connection], self._empty_ns[connection]
        if flight.keeps and not connection.wants_write:
            self.pool.give(connection, flight.kept_s)
        else:
            if flight.unanswered:
                self.pool.ended(connection)
            self.pool.close(connection)
        self._finished(flight.index, flight.outcome)

    def _check(self, now: int) -> None:
        """Ends what has taken too long, or may be ended by the server."""
        self.pool.drop_stale()
        for connection in list(self.pool.opening):
            if now - connection.began_ns > self._limits.connect_s * SECOND:
                self.pool.close(connection)
                text = f"no connection to {self._origin.authority} within "
                failure = Failure("connect-timeout", f"{text}{self._limits.connect_s:g} s")
                self._not_opened(connection, failure)
        for connection, flight in list(self._busy.items()):
            flight.check(now)
            if flight.over:
                self._end(connection, flight)

    def _not_opened(self, connection: Connection, failure: Failure) -> None:
        flight = self._promised.pop(connection, None)
        if flight:
            self._lost(flight, failure)
        else:
            self._failure = failure
            self.pool.pause()

    def _lost(self, flight: Flight, failure: Failure) -> None:
        """Reports a call that was not sent."""
        flight.end(failure)
        self._finished(flight.index, flight.outcome)
