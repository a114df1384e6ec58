"""The start of a server's first process, and of a guard for the case that nobody else is left."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import subprocess
import sys

from frontier.serving.orders import Order
from frontier.serving.processes import MARK

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # <sys/prctl.h>
GUARD = """
read ended
[ "$ended" ] && exit
kill -s KILL -- "-$1"
for round in 1 2 3; do
    for one in /proc/[0-9]*; do
        grep -qsF "$2" "$one/environ" && kill -s KILL "${one#/proc/}"
    done
done
"""
"""A shell's, which kills the server's group, and on Linux every process with its variable.

For the case that the supervisor is killed and cannot.
"""


def prctl(option: int, value: int) -> None:
    """Sets an attribute of this process, on Linux; elsewhere nothing."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def adopt_orphans() -> None:
    """Makes this process the parent of descendants whose parents have ended, where it can."""
    prctl(PR_SET_CHILD_SUBREAPER, 1)


def launch(order: Order) -> tuple[subprocess.Popen[bytes], subprocess.Popen[bytes]]:
    """The server's first process, in a session of its own, and the guard of its group.

    From now on this process's errors go to the server's log. Raises OSError, ValueError.
    """
    ours = os.getpid()

    def prepare() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != ours:
            os._exit(1)
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        # The limit is one of the client's own memory.
        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        with contextlib.suppress(ValueError):
            resource.setrlimit(resource.RLIMIT_DATA, (most, most))

    log = os.open(order.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        leader = subprocess.Popen(
            order.arguments, env=order.environment | {MARK: order.mark},
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            preexec_fn=prepare,  # nothing else runs in this process
        )  # fmt: skip
    finally:
        os.dup2(log, 2)
        os.close(log)
    guard = subprocess.Popen(
        ["/bin/sh", "-c", GUARD, "sh", str(leader.pid), f"{MARK}={order.mark}"],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    return leader, guard
