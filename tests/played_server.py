"""A server that plays what each request asks for: bytes at programmed times, with its own stamps.

As a program it is the server, in a process of its own; `PlayedServer` starts it. The body of a
request is JSON: `Schedule`. What it says about its own times is the truth for the client's.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import socket
import ssl
import struct
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

SCRIPTS = Path(__file__).resolve().parents[1] / "workflow" / "scripts"
STAMP = "<ns>"
"""The place in a step's text for the server's time when it sends the step."""
STAMPS = "<stamps>"
"""Likewise [received, [before, after], …]: when the request was complete, and when the sending of
each step before this one began and ended."""
MILLISECOND = 1_000_000


@dataclass(frozen=True)
class Schedule:
    """The response to a request."""

    steps: Sequence[tuple[float, str]] = ()
    """Milliseconds after the step before (or the request), and what is sent then, each with a
    write of its own: characters are bytes (Latin-1), and `STAMP` and `STAMPS` are replaced."""
    framing: Literal["chunked", "length", "close", "raw"] = "chunked"
    """raw: the steps have the head in them, if there is one."""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    end: Literal["complete", "close", "reset", "hang"] = "complete"
    """complete: as the framing says. The others come instead."""

    def body(self) -> bytes:
        """The body of the request for it."""
        return json.dumps(asdict(self)).encode()


class Connection(asyncio.Protocol):
    """A connection of the server."""

    def __init__(self) -> None:
        self._received = b""
        self._transport: Any = None
        self._schedule = Schedule()
        self._steps: list[tuple[int, bytes]] = []
        self._times: list[Any] = []
        self._lost = False
        self._port = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remembers the transport."""
        self._transport = transport
        self._port = transport.get_extra_info("peername")[1]

    def connection_lost(self, _error: Exception | None) -> None:
        """Sends nothing more."""
        self._steps.clear()
        self._lost = True

    def data_received(self, data: bytes) -> None:
        """Answers a request once it is complete."""
        now = time.perf_counter_ns()
        self._received += data
        head, blank, body = self._received.partition(b"\r\n\r\n")
        if not blank:
            return
        size = 0
        for line in head.lower().split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name == b"content-length":
                size = int(value)
        if len(body) < size:
            return
        self._received = body[size:]
        values = json.loads(body[:size] or b"{}")
        self._play(Schedule(**values), now)

    def _play(self, schedule: Schedule, now: int) -> None:
        self._schedule, self._times = schedule, [now]
        due, framed = now, schedule.framing != "raw"
        self._steps = []
        for delay, text in schedule.steps:
            due += int(delay * MILLISECOND)
            self._steps.append((due, text.encode("latin-1")))
        if framed:
            headers = {"Content-Type": "text/event-stream", "X-Port": str(self._port)}
            headers |= schedule.headers
            if schedule.framing == "chunked":
                headers["Transfer-Encoding"] = "chunked"
            elif schedule.framing == "length":
                headers["Content-Length"] = str(sum(len(data) for _, data in self._steps))
            elif schedule.framing == "close":
                headers["Connection"] = "close"
            lines = [
                f"HTTP/1.1 {schedule.status} Played",
                *(f"{a}: {b}" for a, b in headers.items()),
            ]
            self._transport.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
        self._steps.reverse()
        self._go_on()

    def _go_on(self) -> None:
        """Sends all that is due, then waits for the next step."""
        while self._steps:
            due, _ = self._steps[-1]
            wait = due - time.perf_counter_ns()
            if wait > 0:
                asyncio.get_running_loop().call_later(wait / 1e9, self._go_on)
                return
            self._send(self._steps.pop()[1])
        if not self._lost:
            self._finish()

    def _send(self, data: bytes) -> None:
        if not data:  # only a pause; an empty chunk would be the last one
            return
        if STAMPS.encode() in data:
            data = data.replace(STAMPS.encode(), json.dumps(self._times).encode())
        before = time.perf_counter_ns()
        data = data.replace(STAMP.encode(), b"%d" % before)
        chunked = self._schedule.framing == "chunked"
        self._transport.write(b"%x\r\n%s\r\n" % (len(data), data) if chunked else data)
        self._times.append((before, time.perf_counter_ns()))

    def _finish(self) -> None:
        schedule = self._schedule
        if schedule.end == "complete":
            if schedule.framing == "chunked":
                self._transport.write(b"0\r\n\r\n")
            elif schedule.framing == "close":
                self._transport.close()
        elif schedule.end == "close":
            self._transport.close()
        elif schedule.end == "reset":
            linger = struct.pack("ii", 1, 0)  # closes with a reset
            self._transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, linger
            )
            self._transport.abort()


async def _serve(host: str, certificate: str | None = None) -> None:
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, host, 0, backlog=1024, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)  # ends with the test


class PlayedServer:
    """The server, in a process of its own, for a block."""

    def __init__(self, certificate: Path | None = None, host: str = "127.0.0.1") -> None:
        """`certificate`: a PEM file with its key, for TLS."""
        command = [sys.executable, __file__, host, *([str(certificate)] if certificate else [])]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        place = f"[{host}]" if ":" in host else host
        self.url = f"{'https' if certificate else 'http'}://{place}:{self.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        """Ends it."""
        self.kill()

    def kill(self) -> None:
        """Ends it at once, with its connections."""
        self._process.send_signal(signal.SIGKILL)
        self._process.communicate()


if __name__ == "__main__":
    sys.path.insert(0, str(SCRIPTS))
    from frontier.client.scheduling import run_first

    run_first()
    gc.disable()
    asyncio.run(_serve(*sys.argv[1:]))
    os._exit(0)
