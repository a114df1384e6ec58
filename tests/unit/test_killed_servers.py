"""kill -9 of each process that could end a server, alone and with others, at each moment of its life."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from frontier.serving import ports, servers
from started import PROGRAM, Little, ask, starter
from waiting import PATIENCE_S, has_ended, text_of, wait_until

# Its processes: the first one, one in its group and, where it can be found, one in no group of it.
FAULTS = ("--workers", "1", *(("--detached", "1") if sys.platform == "linux" else ()))
WAITS = {"then": "server.keep() and os._exit(0)", "keep_s": PATIENCE_S}


def first(little: Little) -> psutil.Process | None:
    """The first process of a server that listens."""
    for one in little.running():
        if PROGRAM in one.cmdline() and ports.listeners([one.pid]):
            return one
    return None


def concerned(little: Little, run: int, job: int) -> dict[str, psutil.Process]:
    """The processes by what they do; `job` has started the server, and may have ended."""
    server = first(little)
    assert server
    supervisor = server.parent()
    assert supervisor
    (guard,) = [one for one in supervisor.children() if one.cmdline()[0] == "/bin/sh"]
    found = {"server": server, "supervisor": supervisor, "guard": guard, "run": psutil.Process(run)}
    return found | ({"job": psutil.Process(job)} if psutil.pid_exists(job) else {})


@pytest.mark.parametrize(
    ("moment", "killed"),
    [
        ("starts", "job"), ("starts", "run"), ("starts", "supervisor"), ("starts", "job supervisor"),
        ("is asked", "job"), ("is asked", "run"), ("is asked", "supervisor"),
        ("is asked", "server"), ("is asked", "guard job"), ("is asked", "job supervisor"),
        ("is asked", "run job supervisor server"),
        ("waits", "run"), ("waits", "supervisor"), ("waits", "server"), ("waits", "guard run"),
        ("waits", "run supervisor"),
    ],
)  # fmt: skip
def test_no_process_is_left(
    little: Little, run: subprocess.Popen[bytes], moment: str, killed: str
) -> None:
    """The processes that were not killed end the server, its worker and one that detached."""
    slowly = ("--well-after", "1000") if moment == "starts" else ()
    with starter(little, *FAULTS, *slowly, **(WAITS if moment == "waits" else {})) as job:
        if moment == "starts":
            wait_until(lambda: first(little), "it listens", job)
        elif moment == "is asked":
            assert job.stdout.readline() == "ready\n"
        else:
            assert job.wait(PATIENCE_S) == 0
        running = concerned(little, run.pid, job.pid)
        victims = [running[name] for name in killed.split()]
        for one in victims:  # at once: none sees that another has gone
            one.suspend()
        for one in victims:
            one.kill()
        little.is_gone()
        ours = running["supervisor"], running["guard"]
        wait_until(lambda: all(map(has_ended, ours)), "neither supervisor nor guard is left")
        job.kill()


def is_asked_to_end(process: psutil.Process) -> bool:
    """Whether a stopped process has been sent SIGTERM, or has ended since."""
    status = text_of(Path(f"/proc/{process.pid}/status"))
    pending = re.search(r"^ShdPnd:\s*(\w+)$", status, re.MULTILINE)
    return pending is None or bool(int(pending[1], 16) >> (signal.SIGTERM - 1) & 1)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere pending signals are not to be seen")
def test_a_server_that_ends_is_not_taken_over(little: Little, run: subprocess.Popen[bytes]) -> None:
    """It would end in the middle of the next cell, however slowly it does."""
    plan = little.plan("--drain", keep_s=1.0)
    one = servers.start(plan, ask)
    server = first(little)
    assert server
    server.suspend()
    assert one.keep()
    wait_until(lambda: is_asked_to_end(server), "its time is over")
    server.resume()
    another = servers.start(plan, ask)
    another.stop(grace_s=0.0)
    assert not another.kept
    assert has_ended(server)
