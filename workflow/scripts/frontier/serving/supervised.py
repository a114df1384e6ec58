"""The process that wants a server, and its line to the supervisor."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, Self, cast

from frontier.serving import kept
from frontier.serving.orders import Order
from frontier.serving.processes import Tree, await_end

SUPERVISE = Path(__file__).parents[2] / "supervise.py"
GRACE_S = 10.0
AFTER_S = 60.0  # for the kernel to end what the supervisor kills


class Supervised:
    """A server's processes, and what its supervisor has said of them."""

    def __init__(self, send: IO[bytes], hear: IO[bytes], supervisor: int, mark: str) -> None:
        """Takes the ends of the line to a supervisor, and its pid."""
        self.supervisor = supervisor
        self.exit: int | None = None
        """The exit code of its first process, once it has ended; minus the number of a signal."""
        self.failed: str | None = None
        """The system's reason for not starting it."""
        self.over_memory = False
        """True if it was killed because it used more than it may."""
        self.runner_exited = False
        """True if it was killed because the Snakemake that wants it has ended."""
        self.gives_way: bool | None = None
        """Whether the system runs other processes first; None while it was not asked to."""
        self.kept: bool | None = None
        """Whether it waits for another process; None while that was not asked for."""
        self._left: list[int] | None = None
        self._said = b""
        self._send, self._hearing = send, hear
        self._process: subprocess.Popen[bytes] | None = None
        self._tree = Tree(supervisor, mark)

    @classmethod
    def started(cls, order: Order) -> Self:
        """Starts a supervisor, which starts the server."""
        process = subprocess.Popen(
            [sys.executable, str(SUPERVISE)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            start_new_session=True, bufsize=0,
        )  # fmt: skip
        assert process.stdin
        assert process.stdout
        made = cls(process.stdin, process.stdout, process.pid, order.mark)
        made._process = process
        made._tell(order.line())
        return made

    @classmethod
    def taken(cls, key: str) -> tuple[Self, dict[str, Any]] | None:
        """The server that waits, and its facts, if it has that key; otherwise ends it, if any."""
        line = kept.connection(key)
        if line is None:
            return None
        with line:
            send = cast("IO[bytes]", line.makefile("wb", buffering=0))
            hear = cast("IO[bytes]", line.makefile("rb", buffering=0))
            try:
                greeting = hear.readline()
            except ConnectionResetError:
                greeting = b""
            if not greeting:  # it has just ended
                return None
            said = json.loads(greeting)
        made = cls(send, hear, said["supervisor"], said["mark"])
        made._note({"guard": said["guard"]})
        if said["facts"] is None:
            made._listen(GRACE_S + AFTER_S)
            made._close()
            return None
        return made, said["facts"]

    def pids(self) -> frozenset[int]:
        """The server's processes that run now."""
        return frozenset(one.pid for one in self._tree.look())

    def has_ended(self, wait_s: float = 0.0) -> bool:
        """True if the first process ends or was not started, or the supervisor was killed."""
        self._listen(wait_s, lambda: self.exit is not None)
        return self.exit is not None or self._hearing.closed

    def give_way(self) -> bool:
        """Lets other processes run before the server's; False if the system cannot."""
        self._tell(b"give-way\n")
        self._listen(AFTER_S, lambda: self.gives_way is not None)
        return bool(self.gives_way)

    def keep(self, facts: Mapping[str, Any]) -> bool:
        """Leaves it, with `facts`, for another process of the run; False if that is impossible."""
        self._tell(b"keep " + json.dumps(facts).encode() + b"\n")
        self._listen(AFTER_S, lambda: self.kept is not None)
        if self.kept:
            self._close()
        return bool(self.kept)

    def stop(self, grace_s: float) -> list[int]:
        """Asks it to end, waits for `grace_s`, kills; returns the pids that the kernel left."""
        try:
            self._tell(b"stop %f\n" % grace_s)
            self._listen(grace_s + AFTER_S)
        finally:
            self._close()  # the supervisor kills at once what is left
        if self._left is None:  # the supervisor was killed
            self._left = self._tree.kill(lambda: self._process and self._process.poll())
        return self._left

    def _close(self) -> None:
        """Closes the line; waits for the supervisor unless it continues without this process."""
        self._send.close()
        if not self.kept:
            if self._process:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(AFTER_S)
            else:  # an earlier cell's
                await_end(self.supervisor, AFTER_S)
            self._listen()
        self._hearing.close()

    def _tell(self, line: bytes) -> None:
        view = memoryview(line)
        with contextlib.suppress(BrokenPipeError, ValueError):  # closed at either end
            while view:
                view = view[self._send.write(view) or 0 :]

    def _listen(self, wait_s: float = 0.0, enough: Callable[[], bool] = lambda: False) -> None:
        """Reads what the supervisor says until that is `enough` or all, for at most `wait_s`."""
        deadline = time.monotonic() + wait_s
        while not self._hearing.closed and not enough():
            left_s = max(0.0, deadline - time.monotonic())
            if not select.select([self._hearing], [], [], left_s)[0]:
                return
            try:
                content = os.read(self._hearing.fileno(), 1 << 16)
            except ConnectionResetError:
                content = b""
            if not content:
                self._hearing.close()
            *lines, self._said = (self._said + content).split(b"\n")
            for line in lines:
                self._note(json.loads(line))

    def _note(self, said: dict[str, Any]) -> None:
        match said:
            case {"failed": str(reason)}:
                self.failed = reason
            case {"guard": int(pid)}:
                self._tree.exempt.add(pid)
            case {"exited": int(code)}:
                self.exit = code
            case {"runner_exited": True}:
                self.runner_exited = True
            case {"memory": int()}:
                self.over_memory = True
            case {"kept": bool(done)}:
                self.kept = done
            case {"gives_way": bool(done)}:
                self.gives_way = done
            case {"left": [*pids]}:
                self._left = [int(pid) for pid in pids]
