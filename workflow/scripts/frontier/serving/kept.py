"""A server that waits for the next cell of the same run, if that one needs exactly the same.

At most one: a cell that needs another, or none, ends it first. Its supervisor listens at a socket
in the run's folder meanwhile, and ends it with the run, or when nobody has come for a while.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from pathlib import Path

from frontier.host import presence

GREETING_S = 60.0  # for a process that is about to write a line, on a busy machine


def address() -> Path | None:
    """The place of the run's socket; None for a program that was started by hand."""
    runner, folder = os.environ.get(presence.RUNNER), Path(".snakemake")
    return folder / f"server.{runner}.socket" if runner and folder.is_dir() else None


def connection(key: str) -> socket.socket | None:
    """A connection to the supervisor of the kept server, which compares the key; None if none."""
    path = address()
    if path is None or not path.exists():
        return None
    found = socket.socket(socket.AF_UNIX)
    try:
        found.connect(str(path))
        found.sendall(key.encode() + b"\n")
    except OSError:  # it has just ended
        found.close()
        return None
    return found


class Door:
    """The supervisor's side: a socket at which the next process may come, once."""

    def __init__(self, path: Path, wait_s: float) -> None:
        """Listens. Raises OSError if it cannot."""
        self.path, self.until = path, time.monotonic() + wait_s
        self._socket = socket.socket(socket.AF_UNIX)
        path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            self._socket.bind(str(path))
        finally:
            os.umask(before)
        self._socket.listen()

    def fileno(self) -> int:
        """The descriptor, which is readable when somebody has come."""
        return self._socket.fileno()

    def answer(self) -> tuple[socket.socket, str] | None:
        """The connection of who has come, and its key; None if it has gone again."""
        client, _ = self._socket.accept()
        client.settimeout(GREETING_S)
        try:
            with client.makefile("rb") as stream:
                line = stream.readline()
        except OSError:
            line = b""
        if not line.endswith(b"\n"):
            client.close()
            return None
        client.setblocking(True)
        return client, line.decode().rstrip("\n")

    def close(self) -> None:
        """Nobody may come any more."""
        with contextlib.suppress(OSError):  # first, before another server's may be there
            self.path.unlink(missing_ok=True)
        self._socket.close()
