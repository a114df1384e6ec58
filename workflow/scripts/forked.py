"""Run a program in a fork of a process that has imported its libraries, where that is safe.

Importing them takes most of a small measurement's time. A Snakemake run has one such process
(forking.py): the first program started this way starts it, and it ends with the run. It forks, and
the copy runs the program from its first line to its end. Without a run, off Linux, or if anything
has changed since it started (environment, interpreter, a library's file), the program runs in a
separate process, as by `python PROGRAM`.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

RUNNER = "LLM_FRONTIER_RUNNER"  # frontier/host/presence.py's, which this may not import
FOLDER = Path(".snakemake")
LOG = FOLDER / "forked.log"  # what the forking process fails with
SERVER = Path(__file__).with_name("forking.py")
GONE_S = 10.0
LENGTH_BYTES, READY = 8, b".."
STANDARD = (0, 1, 2)
PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> None:
    """Runs the program, in a copy if possible, else in this process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", help="a Python file")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="the program's arguments")
    given = parser.parse_args()
    command = [given.program, *given.arguments]
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # no traceback while nothing runs yet
    if sys.platform == "linux" and RUNNER in os.environ and FOLDER.exists():
        run(command)
    os.execv(sys.executable, [sys.executable, *command])


def address(runner: str) -> str:
    """The socket of a run's process; relative to the working directory, to be short."""
    return str(FOLDER / f"forked.{runner}.socket")


def surroundings() -> dict[str, Any]:
    """The state that a program starts with, which the copy must reproduce."""
    umask = os.umask(0o077)
    os.umask(umask)
    return {
        "environment": dict(os.environ),
        "python": [sys.executable, sys.version, repr(sys.flags), *sys.warnoptions],
        "folder": str(Path.cwd()),
        "affinity": sorted(os.sched_getaffinity(0)),
        "priority": os.getpriority(os.PRIO_PROCESS, 0),
        "umask": umask,
    }


def run(command: list[str]) -> None:
    """Runs it in a copy and exits with its status. Returns if that is impossible."""
    with socket.socket(socket.AF_UNIX) as connection:
        if not connect(connection):
            return
        # Nothing ends this process between the copy's start and the forwarding of signals to it.
        signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)
        asked = json.dumps({"command": command, "surroundings": surroundings()}).encode()
        answer = connection.makefile()
        with contextlib.suppress(OSError):  # the copy may end at any time
            socket.send_fds(connection, [len(asked).to_bytes(LENGTH_BYTES, "big")], STANDARD)
            connection.sendall(asked)
        child = int(line(answer) or 0)

        def pass_on(number: int, _frame: FrameType | None) -> None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, number)

        for number in PASSED_ON if child else ():  # the terminal may signal both processes
            signal.signal(number, pass_on)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)
        if not child:
            return
        # Without an answer the forking process has ended, and its copies with it.
        code = int(line(answer) or -signal.SIGKILL)
    if code < 0:
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def line(answer: TextIO) -> str:
    """The next line; "" if the forking process has ended."""
    try:
        return answer.readline()
    except OSError:
        return ""


def receive(client: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """The data and file descriptors that `run` has sent. Raises OSError if it has ended."""
    length, files, _, _ = socket.recv_fds(client, LENGTH_BYTES, len(STANDARD))
    with client.makefile("rb", buffering=0) as stream:
        content, left = b"", int.from_bytes(length, "big")
        while left:
            if not (part := stream.read(left)):
                raise ConnectionError
            content, left = content + part, left - len(part)
    return json.loads(content), files


def connect(connection: socket.socket) -> bool:
    """Connects to the run's process, starting it if needed; True on success."""
    path = address(os.environ[RUNNER])
    with (FOLDER / "forked.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if connection.connect_ex(path) == 0:
            return True
        with LOG.open("ab") as log:
            server = subprocess.Popen(
                [sys.executable, SERVER, path],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
            )  # fmt: skip
        assert server.stdout
        with server.stdout as ready:
            return ready.read() == READY and connection.connect_ex(path) == 0


def end(runner: int) -> None:
    """Ends the forking process of a run that is about to end, if there is one."""
    path = address(str(runner))
    with socket.socket(socket.AF_UNIX) as connection:
        if not Path(path).exists() or connection.connect_ex(path):
            return
        peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 4)
    server = int.from_bytes(peer, sys.byteorder)  # struct ucred begins with the pid
    ended = os.pidfd_open(server)
    os.kill(server, signal.SIGTERM)
    select.select([ended], [], [], GONE_S)
    os.close(ended)
    Path(path).unlink(missing_ok=True)


if __name__ == "__main__":
    main()
