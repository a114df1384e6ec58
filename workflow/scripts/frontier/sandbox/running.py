"""Runs of programs in the sandbox, and the test that there is one.

A program passes only if the checker inside (inside.py) says so with a nonce that nobody else knows.
The time is that of this process's clock, from the moment at which the checker is ready.
"""

from __future__ import annotations

import json
import math
import os
import secrets
import select
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from frontier.sandbox import filter
from frontier.sandbox.commands import MissingSandboxError, command
from frontier.sandbox.inside import MEMORY_BYTES

START_S = 120.0  # until the checker is ready: a tenth of a second, but many on a busy machine
LINE_BYTES = 4096
POLL_S = 0.2
TIMED_OUT = "timed out"
KILLED = "its process ended"


@dataclass(frozen=True)
class Program:
    """A program, and the test of one of its functions.

    `setup` and `test` are the data set's; they define `check`, which gets the function if
    `calls_check`, else the test calls the function by its name.
    """

    code: str
    test: str
    entry_point: str
    setup: str = ""
    calls_check: bool = True


@dataclass(frozen=True)
class Verdict:
    """Whether a program passed; None if it could not be tested. The reason if it did not pass."""

    passed: bool | None
    reason: str = ""
    again: bool = False
    """True if the machine may be the reason."""


def run(program: Program, limit_s: float) -> Verdict:
    """The verdict on one program."""
    nonce = secrets.token_hex(16)
    job = {
        "nonce": nonce,
        "setup": program.setup,
        "test": program.test,
        "entry_point": program.entry_point,
        "program": program.code,
        "calls": program.calls_check,
    }
    with _folder() as folder:
        try:
            started = _Run(Path(folder), math.ceil(limit_s) + 1)
        except MissingSandboxError as reason:
            return Verdict(None, str(reason))
        except OSError as error:
            return Verdict(None, f"it does not start: {error.strerror}", again=True)
        with started:
            try:
                started.feed(json.dumps(job).encode(), START_S)
                if started.line(START_S).get("nonce") != nonce:
                    raise BrokenPipeError
            except OSError:
                return Verdict(None, f"it does not start: {started.complaint()}", again=True)
            try:
                found = started.line(limit_s)
            except TimeoutError:
                return Verdict(False, TIMED_OUT, again=True)
            except OSError:
                return Verdict(False, KILLED)
    if found.get("nonce") != nonce:
        return Verdict(False, KILLED)
    return Verdict(found["passed"], found["reason"])


class _Run:
    """A sandbox with a checker, which ends with this block."""

    def __init__(self, folder: Path, seconds: int) -> None:
        """Starts it. Raises MissingSandboxError or OSError."""
        self.verdicts, writing = os.pipe()
        denied = _file_of(filter.of_this_machine())
        try:
            self.process = subprocess.Popen(
                command(writing, denied, seconds, folder),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=(writing, denied),
                env={},  # pid 1 of the sandbox is the sandbox's own process: nothing to find there
                cwd=folder,
                start_new_session=True,
            )
        except BaseException:
            os.close(self.verdicts)
            raise
        finally:
            os.close(writing)
            os.close(denied)
        self._read = b""

    def __enter__(self) -> _Run:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        os.close(self.verdicts)
        for pipe in (self.process.stdin, self.process.stderr):
            with suppress(OSError):
                _open(pipe).close()

    def _end(self) -> None:
        """Kills all of it: the namespace of processes ends with the first one."""
        if self.process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def feed(self, content: bytes, limit_s: float) -> None:
        """Gives the checker its job. Raises OSError if it ends or takes too long."""
        pipe, rest, deadline = _open(self.process.stdin), content, time.monotonic() + limit_s
        os.set_blocking(pipe.fileno(), False)
        while rest:
            if not select.select([], [pipe], [], max(0.0, deadline - time.monotonic()))[1]:
                raise TimeoutError
            rest = rest[os.write(pipe.fileno(), rest) :]
        pipe.close()

    def line(self, limit_s: float) -> dict[str, Any]:
        """The checker's next line; {} if it is none.

        Raises TimeoutError, or another OSError if it ended or takes too much memory.
        """
        deadline = time.monotonic() + limit_s
        while b"\n" not in self._read:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            if select.select([self.verdicts], [], [], min(left, POLL_S))[0]:
                part = os.read(self.verdicts, LINE_BYTES)
                if not part or len(self._read) > LINE_BYTES:
                    raise BrokenPipeError
                self._read += part
            elif _memory(self.process.pid) > 2 * MEMORY_BYTES:
                raise BrokenPipeError
        line, _, self._read = self._read.partition(b"\n")
        try:
            found = json.loads(line)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def complaint(self) -> str:
        """The last line of the sandbox's own messages; ends it."""
        self._end()
        pipe = _open(self.process.stderr)
        os.set_blocking(pipe.fileno(), False)
        text = (pipe.read(1 << 16) or b"").decode(errors="replace").strip()
        return text.splitlines()[-1][:200] if text else "it says nothing"


def _folder() -> AbstractContextManager[str]:
    """A folder for a program's own files, where its sandbox has none of its own."""
    return tempfile.TemporaryDirectory() if sys.platform == "darwin" else nullcontext("/")


def _file_of(content: bytes) -> int:
    """An open file with a few bytes to be read, which fit into a pipe."""
    reading, writing = os.pipe()
    os.write(writing, content)
    os.close(writing)
    return reading


def _open(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe


def _memory(group: int) -> int:
    """Bytes that a group of processes holds, where no limit of the address space bounds them."""
    if sys.platform != "darwin":
        return 0
    command = ["ps", "-o", "rss=", "-g", str(group)]
    found = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
    return 1024 * sum(int(one) for one in found if one.isdecimal())
