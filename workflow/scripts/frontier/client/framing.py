"""The framing of HTTP/1.1 responses (RFC 9112): where heads, chunks and bodies end."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

MOST_HEAD = 64 * 2**10
"""Bytes of a head or of a line between chunks."""
NO_BODY = (204, 304)
SWITCHING = 101
_END = re.compile(rb"\r?\n\r?\n")
_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: .*)?")
_SIZE = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?\r?")


class MalformedError(Exception):
    """The bytes are not a response in HTTP/1.1; the message says why."""


class Response:
    """A response that is being read."""

    __slots__ = ("_body", "_left", "_pending", "_state", "done", "headers", "keep", "status")

    def __init__(self) -> None:
        """Expects the start of a response."""
        self.status: int | None = None
        """The final status; None until its head is complete."""
        self.headers: dict[str, str] = {}
        self.done = False
        """Whether the response is complete."""
        self.keep = False
        """Whether another request may follow on the connection, once the response is complete."""
        self._pending = b""
        self._left = 0
        self._body: list[bytes] = []
        self._state: Callable[[bytes], bytes | None] = self._head

    def feed(self, data: bytes) -> bytes:
        """Takes bytes from the connection; returns those of the body. Raises MalformedError."""
        rest: bytes | None = self._pending + data if self._pending else data
        self._pending = b""
        while rest and not self.done:
            before = rest
            rest = self._state(before)
            if rest is None:  # incomplete
                self._pending = before
        if self.done and rest:
            self.keep = False  # bytes that nobody asked for
        body, self._body = self._body, []
        return body[0] if len(body) == 1 else b"".join(body)

    def end(self) -> Literal["complete", "closed", "cut"]:
        """Takes the end of the connection; closed: before the first byte."""
        if self._state == self._to_the_end:
            self.done = True
        if self.done:
            return "complete"
        untouched = self.status is None and not self._pending and not self._left
        return "closed" if untouched else "cut"

    def _head(self, data: bytes) -> bytes | None:
        found = _END.search(data)
        if found is None or found.start() > MOST_HEAD:
            if len(data) > MOST_HEAD or not b"HTTP/1."[: len(data)] == data[:7]:
                raise MalformedError(f"not a head of HTTP/1.1: {data[:40]!r}")
            return None
        first, *lines = re.split(rb"\r?\n", data[: found.start()])
        status = _STATUS.fullmatch(first)
        if not status:
            raise MalformedError(f"not a status line of HTTP/1.1: {first[:40]!r}")
        code = int(status[2])
        if code == SWITCHING:
            raise MalformedError("status 101: switches to another protocol")
        if code >= 200:  # a 1xx precedes the response
            self.status, self.headers = code, _headers(lines)
            self._frame(newer=status[1] == b"1")
        return data[found.end() :]

    def _frame(self, newer: bool) -> None:
        """Chooses how the body ends. Raises MalformedError if the headers leave it open."""
        options = self.headers.get("connection", "").lower()
        self.keep = "close" not in options if newer else "keep-alive" in options
        coding = self.headers.get("transfer-encoding", "").strip().lower()
        length = self.headers.get("content-length")
        if self.headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise MalformedError("the body is compressed, which was not asked for")
        if self.status in NO_BODY:
            self.done = True
        elif coding:
            if coding != "chunked":
                raise MalformedError(f"transfer-encoding {coding[:40]!r}")
            self._state = self._size
        elif length is not None:
            sizes = {one.strip() for one in length.split(",")}
            size = sizes.pop()
            if sizes or not re.fullmatch(r"[0-9]{1,15}", size, re.ASCII):
                raise MalformedError(f"content-length {length[:40]!r}")
            self._left, self._state = int(size), self._counted
            self.done = not self._left
        else:
            self.keep, self._state = False, self._to_the_end

    def _counted(self, data: bytes) -> bytes:
        self._body.append(data[: self._left])
        rest = data[self._left :]
        self._left -= len(data) - len(rest)
        self.done = not self._left
        return rest

    def _to_the_end(self, data: bytes) -> bytes:
        self._body.append(data)
        return b""

    def _size(self, data: bytes) -> bytes | None:
        end = data.find(b"\n")
        if end < 0:
            _check_length(data)
            return None
        found = _SIZE.fullmatch(data, 0, end)
        if not found:
            raise MalformedError(f"not the size of a chunk: {data[:end][:40]!r}")
        self._left = int(found[1], 16)
        self._state = self._chunk if self._left else self._trailer
        return data[end + 1 :]

    def _chunk(self, data: bytes) -> bytes:
        self._body.append(data[: self._left])
        rest = data[self._left :]
        self._left -= len(data) - len(rest)
        if not self._left:
            self._state = self._chunk_end
        return rest

    def _chunk_end(self, data: bytes) -> bytes | None:
        if data == b"\r":
            return None
        if not data.startswith((b"\r\n", b"\n")):
            raise MalformedError(f"a chunk that does not end: {data[:40]!r}")
        self._state = self._size
        return data[data.index(b"\n") + 1 :]

    def _trailer(self, data: bytes) -> bytes | None:
        end = data.find(b"\n")
        if end < 0:
            _check_length(data)
            return None
        self.done = data[:end] in (b"", b"\r")
        return data[end + 1 :]


def _check_length(data: bytes) -> None:
    if len(data) > MOST_HEAD:
        raise MalformedError("a line without an end")


def _headers(lines: list[bytes]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon or not name or name != name.strip():
            raise MalformedError(f"not a header: {line[:40]!r}")
        key, text = name.lower(), value.strip()
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers
