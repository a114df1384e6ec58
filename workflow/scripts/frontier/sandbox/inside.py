"""The checker inside the sandbox: runs a test on a program that nobody trusts.

Its source is given to the sandbox's interpreter, so it needs nothing but Python's standard library
and plain_values.py. Two processes: the checker has the test and the nonce that proves a verdict to
be its own; the candidate has the program, and no file but its pipes to the checker. They start as
one process, which forks before it reads the nonce. The test calls a function of the program through
these pipes, on which only values of plain types cross: nothing of the program runs in the checker.
"""

from __future__ import annotations

import builtins
import ctypes
import json
import os
import resource
import struct
import sys
import types
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn

from frontier.sandbox.plain_values import VIEWS, packed, read, written

MESSAGE_BYTES = 16 << 20  # of one message in either direction
FILE_BYTES = 16 << 20
MEMORY_BYTES = 1 << 30  # of address space, of each of the two processes
OPEN_FILES = 64
RAISED = "raised by the program"
NO_DUMP = 4  # prctl's PR_SET_DUMPABLE: no other process of this user may trace this one


class Ended(BaseException):
    """The program ended its process, or broke the rules: no test may catch it."""


class Unusable(BaseException):
    """The test itself cannot be run here; says nothing about the program."""


class Pipe:
    """One end of the connection between the checker and the candidate."""

    def __init__(self, reading: int, writing: int) -> None:
        """Uses the two files, and closes neither."""
        self.reading, self.writing = reading, writing

    def send(self, content: bytes) -> None:
        """Sends a message. Raises Ended if the other end is closed."""
        rest = memoryview(struct.pack("!Q", len(content)) + content)
        try:
            while rest:
                rest = rest[os.write(self.writing, rest) :]
        except OSError:
            raise Ended("its process ended") from None

    def receive(self) -> bytes:
        """The next message. Raises Ended if there is none, or it is too large."""
        (size,) = struct.unpack("!Q", self._bytes(8))
        if size > MESSAGE_BYTES:
            raise Ended("its result is too large")
        return self._bytes(size)

    def _bytes(self, count: int) -> bytes:
        found = bytearray()
        while len(found) < count:
            part = os.read(self.reading, min(count - len(found), 1 << 16))
            if not part:
                raise Ended("its process ended")
            found += part
        return bytes(found)


def limit(kind: int, most: int) -> None:
    """Lowers a limit of this process and its children for good, if the system has it."""
    try:
        _, hard = resource.getrlimit(kind)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (most, most))
    except (ValueError, OSError):  # macOS has no limit of the address space
        if sys.platform != "darwin":
            raise


def silence(*files: int) -> None:
    """Points files at nothing."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for one in files:
        os.dup2(nothing, one)
    os.close(nothing)


def error_name(error: BaseException) -> str:
    """The kind of an error, and the module that an import did not find."""
    name = next((c.__name__ for c in type(error).__mro__ if hasattr(builtins, c.__name__)), "")
    if isinstance(error, ModuleNotFoundError) and str(error.name).isidentifier():
        return f"{name}: {str(error.name)[:40]}"
    return name


def candidate(pipe: Pipe) -> NoReturn:
    """The process that runs the program: answers calls until it is killed."""
    silence(0, 1, 2)
    for one in range(3, OPEN_FILES):
        if one not in (pipe.reading, pipe.writing):
            with suppress(OSError):
                os.close(one)
    limit(resource.RLIMIT_NPROC, 0)
    program = types.ModuleType("candidate")
    sys.modules["candidate"] = program
    names = vars(program)
    try:
        source = pipe.receive().decode("utf-8", "surrogatepass")
        exec(compile(source, "candidate.py", "exec"), names)
        answer = written(("returned", "value", None))
    except BaseException as error:
        answer = written(("raised", error_name(error), None))
    while True:
        pipe.send(answer)
        name, arguments, keywords = read(pipe.receive())
        try:
            if name not in names:
                raise NameError(name)
            answer = written(("returned", *packed(names[name](*arguments, **keywords))))
        except BaseException as error:
            answer = written(("raised", error_name(error), None))


class Tested:
    """The program, as the test sees it."""

    def __init__(self, pipe: Pipe) -> None:
        """The pipe to the candidate."""
        self.pipe, self.calls = pipe, 0

    def answer(self) -> Any:
        """The candidate's next result. Raises the error that it raised, or Ended."""
        try:
            kind, form, value = read(self.pipe.receive())
            if kind == "returned":
                return VIEWS[form](value)
            error = getattr(builtins, str(form).partition(":")[0], None)
        except Ended:
            raise
        except BaseException:
            raise Ended("its result is of no plain type") from None
        if isinstance(error, type) and issubclass(error, Exception):
            raise raised(error, str(form))
        raise Ended(str(form) if isinstance(error, type) else "Exception")

    def function(self, name: str) -> Callable[..., Any]:
        """A function that calls the program's one of this name."""

        def call(*arguments: Any, **keywords: Any) -> Any:
            self.calls += 1
            try:
                message = written((name, arguments, keywords))
                read(message)
            except Exception:
                raise Unusable("its test passes a value of a type that cannot be sent") from None
            self.pipe.send(message)
            return self.answer()

        call.__name__ = name
        return call


def raised(kind: type[Exception], shown: str) -> Exception:
    """An error of the program, as a test may expect it."""
    try:
        error = kind(RAISED)
    except TypeError:  # UnicodeDecodeError takes more
        error = Exception(RAISED)
    vars(error)["shown"] = shown
    return error


def check(job: dict[str, str], pipe: Pipe) -> tuple[bool | None, str]:
    """The verdict on a program: True, False or, if it could not be tested, None; and why."""
    tested, name = Tested(pipe), job["entry_point"]
    try:
        names: dict[str, Any] = {"__name__": "test"}
        try:
            if "random" in job["test"]:
                import random

                random.seed(0)  # the same verdict each time
            exec(compile(job["setup"], "setup.py", "exec"), names)
            test = compile(job["test"], "test.py", "exec")
        except Exception as error:
            raise Unusable(f"its test cannot be run: {error_name(error)}") from None
        names[name] = tested.function(name)
        pipe.send(job["program"].encode("utf-8", "surrogatepass"))
        tested.answer()
        try:
            exec(test, names)
            if job["calls"]:
                names["check"](names[name])
        except Exception as error:
            if tested.calls:
                raise
            raise Unusable(f"its test cannot be run: {error_name(error)}") from None
        if not tested.calls:
            raise Unusable(f"its test does not call {name}")
    except Unusable as error:
        return None, str(error)
    except BaseException as error:
        shown = str(error) if isinstance(error, Ended) else vars(error).get("shown")
        return False, shown or error_name(error)
    return True, ""


def main() -> None:
    """Reads a job from stdin, and writes its verdict to an open file.

    The command line has that file's number, and the most seconds of the processor.
    """
    verdicts, seconds = map(int, sys.argv[1:])
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(NO_DUMP, 0, 0, 0, 0)
    for kind, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, FILE_BYTES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_CPU, seconds),
    ):
        limit(kind, most)
    down, up = os.pipe(), os.pipe()
    if os.fork() == 0:
        candidate(Pipe(down[0], up[1]))
    os.close(down[0])
    os.close(up[1])
    job = json.loads(sys.stdin.buffer.read())
    silence(0, 1, 2)
    begun = json.dumps({"nonce": job["nonce"]})
    os.write(verdicts, f"{begun}\n".encode())
    passed, reason = check(job, Pipe(up[0], down[1]))
    line = json.dumps({"nonce": job["nonce"], "passed": passed, "reason": reason[:200]})
    os.write(verdicts, f"{line}\n".encode())
    os._exit(0)
