"""The process that wants a server, and its line to the supervisor."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from frontier.serving.orders import Order
from frontier.serving.processes import Tree

SUPERVISE = Path(__file__).parents[2] / "supervise.py"
AFTER_S = 20.0  # for the kernel to end what the supervisor kills


class Supervised:
    """A server's processes, and what its supervisor has said of them."""

    def __init__(self, order: Order) -> None:
        """Starts the supervisor, which starts the server."""
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
        self._left: list[int] | None = None
        self._said = b""
        self._process = subprocess.Popen(
            [sys.executable, str(SUPERVISE)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            start_new_session=True, bufsize=0,
        )  # fmt: skip
        self._tree = Tree(self._process.pid, order.mark)
        self._tell(order.line())

    @property
    def supervisor(self) -> int:
        """The pid of the supervisor."""
        return self._process.pid

    def pids(self) -> frozenset[int]:
        """The server's processes that run now."""
        return frozenset(one.pid for one in self._tree.look())

    def has_ended(self, wait_s: float = 0.0) -> bool:
        """True if the first process ends or was not started, or the supervisor was killed."""
        self._hear(wait_s, lambda: self.exit is not None)
        return self.exit is not None or self._process.poll() is not None

    def give_way(self) -> bool:
        """Lets other processes run before the server's; False if the system cannot."""
        self._tell(b"give-way\n")
        self._hear(AFTER_S, lambda: self.gives_way is not None)
        return bool(self.gives_way)

    def stop(self, grace_s: float) -> list[int]:
        """Asks it to end, waits for `grace_s`, kills; returns the pids that the kernel left."""
        try:
            if self._process.poll() is None:
                self._tell(b"stop %f\n" % grace_s)
                self._hear(grace_s + AFTER_S)
        finally:
            assert self._process.stdin
            self._process.stdin.close()  # the supervisor kills at once what is left
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(AFTER_S)
        self._hear()
        if self._left is None:  # the supervisor was killed
            self._left = self._tree.kill(self._process.poll)
        return self._left

    def _tell(self, line: bytes) -> None:
        assert self._process.stdin
        view = memoryview(line)
        with contextlib.suppress(BrokenPipeError):
            while view:
                view = view[self._process.stdin.write(view) or 0 :]

    def _hear(self, wait_s: float = 0.0, enough: Callable[[], bool] = lambda: False) -> None:
        """Reads what the supervisor says until that is `enough` or all, for at most `wait_s`."""
        stream = self._process.stdout
        assert stream
        deadline = time.monotonic() + wait_s
        while not stream.closed and not enough():
            left_s = max(0.0, deadline - time.monotonic())
            if not select.select([stream], [], [], left_s)[0]:
                return
            content = os.read(stream.fileno(), 1 << 16)
            if not content:
                stream.close()
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
            case {"gives_way": bool(done)}:
                self.gives_way = done
            case {"left": [*pids]}:
                self._left = [int(pid) for pid in pids]
