"""The client as other modules use it: it starts the client's process and talks to it."""

from __future__ import annotations

import contextlib
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Self

from frontier.client import Call, Exchange, Limits, Outcome
from frontier.client.origin import Origin
from frontier.client.player import Sending
from frontier.client.process import Conduct, Play, Start, main
from frontier.errors import UserError
from frontier.host import presence

SCRIPTS = Path(__file__).parents[2]
STOP_S = 5.0
LOOK_S = 1.0
"""Between two looks whether the run has ended."""
ENDED = "Snakemake has ended; requests under way are abandoned"
_FIELDS = [field.name for field in fields(Outcome)]


class Client:
    """Plays calls to a server from a process of its own, which is started when it is needed.

    Nothing of the environment decides where a call goes: proxies are not used.
    """

    def __init__(self, url: str, limits: Limits | None = None) -> None:
        """Takes a URL, whose path precedes each call's. Raises UserError."""
        self.origin = Origin.of(url)
        self._limits = limits or Limits()
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = threading.Event()
        self._runner = presence.Runner()
        self.conduct: Conduct | None = None
        """The client's own load and scheduling during the last complete play."""

    @property
    def pid(self) -> int | None:
        """The id of the client's process, if it runs."""
        return self._process.pid if self._process else None

    def ask(self, call: Call) -> Exchange:
        """Plays one call on a connection that is opened before, or still open."""
        (exchange,) = self.play([call])
        return exchange

    def play(
        self, calls: Sequence[Call], connections: int | None = None, most: int | None = None
    ) -> Iterator[Exchange]:
        """Sends each call when it is due, and yields it when it is over.

        `connections` (default: as many as calls) are open before the first call is sent, and more
        are opened in advance as they are used, at most `most` (default: what the system allows).
        No call waits for another, but for a connection if there are `most`. Leaving the iteration
        early abandons all calls. Raises UserError for a call that cannot be sent.
        """
        ordered = sorted(calls, key=lambda call: call.due_ns)
        sendings = [Sending(call.due_ns, self.origin.encode(call)) for call in ordered]
        self.conduct = None
        if not ordered:
            return
        count = len(ordered) if connections is None else connections
        complete = False
        try:
            self._write(Play(sendings, max(1, count), most))
            while not isinstance(message := self._read(), Conduct):
                index, outcome = message
                values = {name: getattr(outcome, name) for name in _FIELDS}
                yield Exchange(call=ordered[index], **values)
            self.conduct, complete = message, True
        finally:
            if not complete:
                self.close()

    def _write(self, message: object) -> None:
        if self._process is None:
            if self._runner.has_exited():
                raise UserError(ENDED)
            self._process = self._started()
            self._closed = threading.Event()
            watched = self._process, self._closed
            threading.Thread(target=self._watch, args=watched, daemon=True).start()
            self._write(Start(self.origin, self._limits))
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(pickle.dumps(message))
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._ended() from None

    def _read(self) -> Any:
        assert self._process is not None
        assert self._process.stdout is not None
        try:
            return pickle.load(self._process.stdout)
        except (EOFError, pickle.UnpicklingError):
            raise self._ended() from None

    def _ended(self) -> UserError:
        assert self._process is not None
        code = self._process.wait()
        if self._runner.has_exited():
            return UserError(ENDED)
        return UserError(f"{self.origin.authority}: the client's process has ended (exit {code})")

    def _watch(self, process: subprocess.Popen[bytes], closed: threading.Event) -> None:
        """Ends the client's process once Snakemake has ended, although a request may hang."""
        while not closed.wait(LOOK_S):
            if self._runner.has_exited():
                process.kill()
                return

    @staticmethod
    def _started() -> subprocess.Popen[bytes]:
        code = f"import sys; sys.path.insert(0, {str(SCRIPTS)!r}); "
        code += f"from {main.__module__} import {main.__name__}; {main.__name__}()"
        return subprocess.Popen(
            [sys.executable, "-I", "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # with its own share of the processor
        )

    def close(self) -> None:
        """Ends the client's process, and with it all calls and connections."""
        if self._process is None:
            return
        self._closed.set()
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(BrokenPipeError):  # a message that nobody has read
                if pipe:
                    pipe.close()
        self._process = None

    def __enter__(self) -> Self:
        """Returns itself."""
        return self

    def __exit__(self, *_raised: object) -> None:
        """Ends the client's process."""
        self.close()
