"""A call on its way: what of it was sent and read, until it is over."""

from __future__ import annotations

import re
import time
from urllib.parse import urlsplit

from frontier.client import Failure, Limits, Outcome, Read
from frontier.client.connection import Connection, failure_of
from frontier.client.framing import MalformedError, Response
from frontier.text import shown

REDIRECTS = (301, 302, 303, 307, 308)
SECOND = 1_000_000_000
_KEPT = re.compile(r"\btimeout=([0-9]{1,9})\b", re.IGNORECASE)


class Flight:
    """A call, from its due time to its outcome."""

    __slots__ = ("_last_ns", "_limits", "_response", "_size", "_unsent", "index", "outcome", "over")

    def __init__(self, index: int, data: bytes, due_ns: int, limits: Limits) -> None:
        """Takes the call's number and bytes."""
        self.index = index
        self.outcome = Outcome(due_ns=due_ns)
        self.over = False
        self._unsent = memoryview(data)
        self._limits = limits
        self._response = Response()
        self._size = 0
        self._last_ns = 0

    @property
    def keeps(self) -> bool:
        """Whether its whole request was sent, and another may follow on its connection."""
        return self._response.done and self._response.keep and not self._unsent

    @property
    def unanswered(self) -> bool:
        """Whether the server has ended the connection instead of an answer."""
        failure = self.outcome.failure
        return failure is not None and failure.kind in ("closed", "reset")

    @property
    def kept_s(self) -> float | None:
        """The seconds for which the server keeps an unused connection, if it says so."""
        found = _KEPT.search(self.outcome.headers.get("keep-alive", ""))
        return float(found[1]) if found else None

    def send(self, connection: Connection) -> None:
        """Sends what can be sent now."""
        first = not self.outcome.sent_ns
        before = time.perf_counter_ns()
        try:
            sent = connection.send(self._unsent)
        except OSError:
            # Reading shows why: perhaps an answer that did not wait for the whole request.
            connection.wants_write, sent = False, 0
        if first:
            self.outcome.sent_ns = self._last_ns = before
            self.outcome.sending_ns = time.perf_counter_ns() - before
        self._unsent = self._unsent[sent:]

    def take(self, data: bytes, arrived_ns: int, late_ns: int, connection: Connection) -> None:
        """Takes bytes that were read; none means that the server has ended the connection."""
        outcome = self.outcome
        arrived_ns = max(arrived_ns, self._last_ns)  # clocks differ by microseconds
        outcome.end_ns, outcome.late_ns = arrived_ns, late_ns
        if not data:
            self._end(connection)
            return
        outcome.first_byte_ns = outcome.first_byte_ns or arrived_ns
        self._last_ns = arrived_ns
        try:
            body = self._response.feed(data)
        except MalformedError as error:
            self.fail("malformed", f"{connection.origin.authority}: {error}")
            return
        if outcome.status is None and self._response.status is not None:
            outcome.status, outcome.headers = self._response.status, self._response.headers
        if body:
            outcome.reads.append(Read(arrived_ns, body, late_ns))
            self._size += len(body)
        if outcome.status in REDIRECTS and "location" in outcome.headers:
            target = _without_query(outcome.headers["location"])
            self.fail("redirect", f"{connection.origin.authority} redirects to {target}")
        elif self._size > self._limits.body_bytes:
            self.fail("too-large", f"a response of more than {self._limits.body_bytes:,} bytes")
        else:
            self.over = self._response.done

    def _end(self, connection: Connection) -> None:
        where = connection.origin.authority
        match self._response.end():
            case "complete":
                self.over = True
            case "closed":
                self.fail("closed", f"{where} has ended the connection without an answer")
            case "cut":
                self.fail("cut", f"{where} has ended the connection in the middle of its answer")

    def fail(self, kind: str, message: str, now_ns: int = 0) -> None:
        """Ends the call with a failure."""
        self.end(Failure(kind, message), now_ns)  # type: ignore[arg-type]

    def end(self, failure: Failure, now_ns: int = 0) -> None:
        """Ends the call with a failure."""
        self.outcome.failure, self.over = failure, True
        self.outcome.end_ns = now_ns or self.outcome.end_ns or time.perf_counter_ns()

    def break_off(self, error: Exception, connection: Connection) -> None:
        """Ends the call with what the connection raised."""
        self.end(failure_of(error, connection.origin), time.perf_counter_ns())

    def check(self, now_ns: int) -> None:
        """Ends the call if one of its limits has passed."""
        outcome, limits = self.outcome, self._limits
        if now_ns - outcome.sent_ns > limits.whole_s * SECOND:
            self.fail("timeout", f"no end of the response within {limits.whole_s:g} s", now_ns)
        elif outcome.first_byte_ns:
            if now_ns - self._last_ns > limits.between_s * SECOND:
                text = f"the response paused for {limits.between_s:g} s"
                self.fail("read-timeout", text, now_ns)
        elif now_ns - outcome.sent_ns > limits.first_byte_s * SECOND:
            text = f"no response within {limits.first_byte_s:g} s"
            self.fail("first-byte-timeout", text, now_ns)


def _without_query(location: str) -> str:
    """A redirect's target, without what may be secret in it."""
    try:
        parts = urlsplit(location)
    except ValueError:
        return shown(location[:40])
    host = parts.netloc.rpartition("@")[2]
    return shown(f"{parts.scheme}://{host}{parts.path}" if host else parts.path)
