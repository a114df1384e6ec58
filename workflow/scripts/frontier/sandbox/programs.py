"""Many programs in the sandbox, if this machine has one that holds."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from frontier.sandbox.running import Program, Verdict, run

PROBE_S = 60.0


def run_all(programs: Sequence[Program], limit_s: float, at_once: int) -> list[Verdict]:
    """The verdict on each program, with `limit_s` seconds each; equal programs run once.

    One that timed out runs once more, alone. None passes or fails where there is no sandbox.
    """
    if reason := unavailable():
        return [Verdict(None, reason)] * len(programs)
    different = list(dict.fromkeys(programs))
    with ThreadPoolExecutor(max(1, at_once)) as pool:
        verdicts = pool.map(lambda one: run(one, limit_s), different)
        found = dict(zip(different, verdicts, strict=True))
    for one, verdict in found.items():
        if verdict.again:
            found[one] = run(one, limit_s)
    return [found[one] for one in programs]


@cache
def unavailable() -> str | None:
    """The reason why this machine has no sandbox; None if it has one that holds.

    Found out once, by two programs with all flags of a real run: a right one, which also tries what
    must be impossible, and a wrong one.
    """
    with socket.create_server(("127.0.0.1", 0)) as server:
        home, port = str(Path.home().resolve()), server.getsockname()[1]
        right = Program(PROBE.format(home=home, port=port), PROBE_TEST, "possible")
        wrong = Program("def possible():\n    return ['anything']", PROBE_TEST, "possible")
        first = run(right, PROBE_S)
        if first.passed is None:
            return f"no sandbox: {first.reason}"
        if not first.passed:
            return f"no sandbox: it does not hold ({first.reason})"
        second = run(wrong, PROBE_S)
    return None if second.passed is False else "no sandbox: a wrong program passed"


PROBE = """
import ctypes, os, socket

def call(name, *numbers):
    if getattr(ctypes.CDLL(None), name)(*numbers) == -1:
        raise OSError

def forks():
    if os.fork() == 0:
        os._exit(0)

def possible():
    tries = {{
        "starting a process": forks,
        "reading the home folder": lambda: os.listdir({home!r}),
        "reading /etc": lambda: os.listdir("/etc"),
        "writing": lambda: open("/usr/written", "w"),
        "the network": lambda: socket.create_connection(("127.0.0.1", {port}), timeout=5),
        "a user namespace": lambda: call("unshare", 0x10000000),
        "tracing": lambda: call("ptrace", 16, 1, 0, 0),
        "shared memory": lambda: call("shmget", 0, 4096, 0o1600),
        "becoming root": lambda: os.setuid(0),
    }}
    found = []
    for name, one in tries.items():
        try:
            one()
            found.append(name)
        except Exception:
            pass
    return found
"""
PROBE_TEST = """
def check(possible):
    found = possible()
    if found:
        raise AssertionError(found)
"""
