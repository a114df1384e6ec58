"""A connection to a server: sockets that never block, with or without TLS."""

from __future__ import annotations

import errno
import os
import socket
import ssl
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from frontier.client import Failure, Kind
from frontier.client.origin import Origin
from frontier.client.scheduling import STAMP_BYTES, segments_in, stamp_of, stamp_reads
from frontier.client.tls import Tls
from frontier.errors import Reason, one_line

READ_BYTES = 64 * 2**10
WAITS = (BlockingIOError, InterruptedError)
Address = tuple[Any, ...]


@dataclass(frozen=True)
class Place:
    """An address to connect to."""

    family: int
    address: Address


class FailedError(Exception):
    """A connection cannot be used."""

    def __init__(self, failure: Failure) -> None:
        """Takes what the call's outcome says."""
        super().__init__(failure.message)
        self.failure = failure


def resolve(origin: Origin) -> list[Place]:
    """The addresses of a server, in the system's order of preference. Raises FailedError."""
    try:
        found = socket.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise FailedError(Failure("unresolved", _unresolved(error, origin.host))) from None
    return list(dict.fromkeys(Place(family, address) for family, _, _, _, address in found))


def _unresolved(error: Exception, host: str) -> Reason:
    known = error.strerror if isinstance(error, OSError) else None
    return f"the host {host} has no address: {known or one_line(error)}"


def failure_of(error: Exception, origin: Origin) -> Failure:
    """The failure that an exception of a socket means."""
    return Failure(_kind(error), _reason(error, origin.authority))


def _kind(error: Exception) -> Kind:
    if isinstance(error, ssl.SSLCertVerificationError):
        return "certificate"
    if isinstance(error, ssl.SSLError):
        return "tls"
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    return "reset" if isinstance(error, ConnectionError) else "unreachable"


def _reason(error: Exception, where: str) -> Reason:
    if isinstance(error, ssl.SSLCertVerificationError):
        known = error.verify_message.rstrip(".")
        return f"{where}: its certificate is not valid: {known or one_line(error)}"
    if isinstance(error, ssl.SSLError):
        return f"{where}: TLS failed: {error.reason or one_line(error)}"
    if isinstance(error, ConnectionRefusedError):
        return f"{where} refuses connections: no server listens there"
    if isinstance(error, ConnectionError):
        return f"{where} has reset the connection"
    said = error.strerror if isinstance(error, OSError) else None
    return f"{where}: {said or one_line(error)}"


class Connection:
    """A connection, from the first attempt to open it."""

    def __init__(self, origin: Origin, places: Sequence[Place], tls: ssl.SSLContext | None) -> None:
        """Starts to connect to the first of the places. Raises FailedError if none is left."""
        self.origin, self._places, self._context = origin, list(places), tls
        self.began_ns = time.perf_counter_ns()
        self.ready = False
        """Whether a request can be sent."""
        self.stale_ns = 0
        """The time after which the server may end it, unused; 0 if it does not say so."""
        self.calls = 0
        """The number of calls that it has served."""
        self.idle_ns = 0
        """The time at which its last call was over."""
        self.wants_write = True
        self.stamped = False
        """Whether the kernel reports times of its reads."""
        self.drained = False
        """Whether nothing more had arrived when it was last read."""
        self._tls: Tls | None = None
        self._encrypted = b""
        """The bytes that could not be sent yet."""
        self._segments = 0
        self.socket = self._attempt()

    def _attempt(self) -> socket.socket:
        """A socket that connects to the next place."""
        while True:
            place = self._places.pop(0)
            try:
                opened = socket.socket(place.family, socket.SOCK_STREAM)
            except OSError as error:
                raise FailedError(failure_of(error, self.origin)) from None
            opened.setblocking(False)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.stamped = stamp_reads(opened)
            code = opened.connect_ex(place.address)
            if code in (0, errno.EINPROGRESS, errno.EWOULDBLOCK):
                return opened
            opened.close()
            if not self._places:
                raise FailedError(self._refused(code))

    def _refused(self, code: int) -> Failure:
        return failure_of(OSError(code, os.strerror(code)), self.origin)

    def advance(self) -> None:
        """Continues to connect, perhaps with another socket. Raises FailedError."""
        if self._tls is None:
            code = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                if not self._places:
                    raise FailedError(self._refused(code))
                self.socket.close()
                self.socket = self._attempt()
                return
            if self._context is None:
                self.ready, self.wants_write = True, False
                return
        try:
            self._shake()
        except OSError as error:
            raise FailedError(failure_of(error, self.origin)) from None

    def _shake(self) -> None:
        received: bytes | None = b""
        if self._tls is None:
            assert self._context
            self._tls = Tls(self._context, self.origin.host)
        else:
            received, _, _ = self._receive()
            if received == b"":
                raise ssl.SSLError(1, "the connection was ended during the handshake")
        try:
            self.ready = self._tls.shake(received or b"")
        except ssl.SSLError:
            with suppress(OSError):
                self._flush()  # the server may log the reason
            raise
        self._flush()

    def send(self, data: memoryview) -> int:
        """Sends what can be sent now; returns the number of bytes taken. Raises OSError."""
        if self._tls:
            self._tls.encrypt(data)
            self._flush()
            return len(data)
        try:
            sent = self.socket.send(data)
        except WAITS:
            sent = 0
        self.wants_write = sent < len(data)
        return sent

    def _flush(self) -> None:
        """Sends what was encrypted, as far as it can be sent now."""
        assert self._tls
        self._encrypted += self._tls.to_send()
        with suppress(*WAITS):
            self._encrypted = self._encrypted[self.socket.send(self._encrypted) :]
        self.wants_write = bool(self._encrypted)

    def read(self) -> tuple[bytes | None, int | None, bool]:
        """Bytes that have arrived, and the kernel's time for the last of them, if it gives one.

        True: they arrived as one segment, so that this is the time of them all. No bytes: the
        server has ended the connection. None: there are none yet. Raises OSError.
        """
        if self._tls and self._tls.ended:
            return b"", None, False
        received, stamp, alone = self._receive()
        if self._tls is None or received is None:
            return received, stamp, alone
        data = self._tls.decrypt(received)
        if self._tls.ended:
            self.drained = False  # its end is still to be read
        return data if data or self._tls.ended else None, stamp, alone

    def _receive(self) -> tuple[bytes | None, int | None, bool]:
        """The same as `read`, still encrypted."""
        self.drained = True
        try:
            if not self.stamped:
                data, stamp, alone = self.socket.recv(READ_BYTES), None, False
            else:
                # First: a segment that arrives before the read makes the next one seem to have two.
                segments = segments_in(self.socket)
                data, ancillary, _, _ = self.socket.recvmsg(READ_BYTES, STAMP_BYTES)
                alone = segments - self._segments <= 1
                stamp, self._segments = stamp_of(ancillary), segments
        except WAITS:
            return None, None, False
        self.drained = len(data) < READ_BYTES
        return data, stamp, alone

    def close(self) -> None:
        """Closes it."""
        self.socket.close()
