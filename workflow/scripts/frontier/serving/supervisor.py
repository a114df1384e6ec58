"""Starts one server, and ends all of its processes on request, or when nobody is left to ask.

The process that wants the server holds the other end of standard input: it writes an order as a
line of JSON, then `give-way` or `stop SECONDS`. When that end closes, however that process has
ended, everything is killed at once. Standard output says what happens, a line of JSON each.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from frontier.host import presence
from frontier.serving import logs, priority
from frontier.serving.orders import Order, read_order
from frontier.serving.processes import MARK, Tree

LOOK_S = 1.0
LINGER_S = 3.0
"""Time for a server's processes to end after the first one."""
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # <sys/prctl.h>
GUARD = 'read ended; [ "$ended" ] || kill -s KILL -- "-$1"'
"""A shell's, which kills the server's group when the supervisor is killed and cannot."""
FINALLY_S = 30.0


def prctl(option: int, value: int) -> None:
    """Sets an attribute of this process, on Linux; elsewhere nothing."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


class Supervisor:
    """The server's first process, and what is left of the others."""

    def __init__(self, order: Order, pending: bytes = b"") -> None:
        """Starts nothing yet; `pending` is what was read beyond the order."""
        self.order, self.tree = order, Tree(os.getpid(), order.mark)
        self.leader: int | None = None
        self.guard: subprocess.Popen[bytes] | None = None
        self.starter, self.runner = os.getppid(), presence.Runner()
        self.kill_at: float | None = None
        self.pending = pending
        self.priority = b""
        self.wake, wake = os.pipe()
        for end in (self.wake, wake):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: self.stop(LINGER_S))
        for number in (signal.SIGINT, signal.SIGHUP):  # a terminal's, for whoever holds the pipe
            signal.signal(number, signal.SIG_IGN)
        prctl(PR_SET_CHILD_SUBREAPER, 1)

    def say(self, **what: object) -> None:
        """Writes a line to whoever listens."""
        with contextlib.suppress(OSError):
            os.write(1, json.dumps(what).encode() + b"\n")

    def start(self) -> bool:
        """Starts the first process; False if the system refuses to."""
        ours = os.getpid()

        def prepare() -> None:
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != ours:
                os._exit(1)
            for number in (signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)
            # A limit of the client's own memory, which is not the server's.
            _, most = resource.getrlimit(resource.RLIMIT_DATA)
            resource.setrlimit(resource.RLIMIT_DATA, (most, most))

        log = os.open(self.order.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            process = subprocess.Popen(
                self.order.arguments, env=self.order.environment | {MARK: self.order.mark},
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                preexec_fn=prepare,  # nothing else runs in this process
            )  # fmt: skip
        except (OSError, ValueError) as error:
            self.say(failed=str(error))
            return False
        finally:
            os.dup2(log, 2)
            os.close(log)
        self.leader = process.pid
        self.guard = subprocess.Popen(
            ["/bin/sh", "-c", GUARD, "sh", str(process.pid)], stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        self.tree.exempt.add(self.guard.pid)
        self.say(started=process.pid, guard=self.guard.pid)
        return True

    def run(self) -> None:
        """Watches until nothing of the server is left."""
        looked = 0.0
        self.obey()
        while True:
            self.listen(0.05 if self.kill_at else LOOK_S)
            self.reap()
            now = time.monotonic()
            if self.kill_at and now >= self.kill_at:
                self.tree.kill(self.reap)
                return
            if now - looked >= LOOK_S or self.kill_at:
                looked = now
                running = self.tree.look()
                if self.leader is None and not running:
                    return
                self.check_memory(running)
                if not self.kill_at and self.runner.has_exited():
                    self.say(
                        runner_exited=True
                    )  # a request may hang for as long as it is allowed to
                    self.kill_at = now
                if self.priority:
                    self.set_priority()

    def listen(self, wait_s: float) -> None:
        """Waits for orders, signals and ended children, and takes note of orders."""
        readable, _, _ = select.select([0, self.wake], [], [], wait_s)
        if os.getppid() != self.starter:  # a copy of it may hold the pipe open
            self.kill_at = time.monotonic()
        if self.wake in readable:
            with contextlib.suppress(BlockingIOError):
                os.read(self.wake, 4096)
        if 0 in readable:
            content = os.read(0, 4096)
            if not content:
                self.kill_at = time.monotonic()
                return
            self.pending += content
            self.obey()

    def obey(self) -> None:
        """Carries out what has been read."""
        *lines, self.pending = self.pending.split(b"\n")
        for line in lines:
            match line.split():
                case [b"give-way"]:
                    self.priority = priority.LOWEST
                    self.say(gives_way=self.set_priority())
                case [b"stop", seconds]:
                    self.stop(float(seconds))

    def stop(self, grace_s: float) -> None:
        """Asks the first process to end; what is left after that time is killed."""
        until = time.monotonic() + grace_s
        self.kill_at = min(self.kill_at or until, until)
        if self.priority:
            self.priority = priority.NORMAL  # it ends sooner
            self.set_priority()
        if self.leader is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.leader, signal.SIGTERM)

    def set_priority(self) -> bool:
        """Gives the server's sessions their priority, new ones too; False if the system cannot."""
        return priority.give({one.pid for one in self.tree.look()}, self.priority)

    def reap(self) -> None:
        """Waits for the children that have ended; after the first process the others follow."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self.leader:
                self.leader = None
                self.say(exited=os.waitstatus_to_exitcode(status))
                until = time.monotonic() + LINGER_S
                self.kill_at = min(self.kill_at or until, until)

    def check_memory(self, running: list[psutil.Process]) -> None:
        """Kills everything when it uses more memory than it may; mapped files do not count."""
        if self.order.memory_bytes is None or self.kill_at:
            return
        used = 0
        for one in running:
            with contextlib.suppress(psutil.Error):
                memory = one.memory_info()
                used += memory.rss - getattr(memory, "shared", 0)
        if used > self.order.memory_bytes:
            self.say(memory=used)
            self.kill_at = time.monotonic()

    def finish(self) -> None:
        """Removes what the server leaves, and says which processes the kernel did not end."""
        self.reap()
        if self.guard and self.guard.stdin:
            with contextlib.suppress(BrokenPipeError):
                self.guard.stdin.write(b"ended\n")
                self.guard.stdin.close()
        for command in self.order.last:
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                subprocess.run(
                    command, timeout=FINALLY_S, check=False, stdin=subprocess.DEVNULL,
                    stdout=2, stderr=2,
                )  # fmt: skip
        shutil.rmtree(self.order.folder, ignore_errors=True)
        for secret in self.order.secrets:
            logs.erase(Path(self.order.log), secret.encode())
        self.say(left=sorted(one.pid for one in self.tree.look(thorough=True)))


def supervise() -> None:
    """Carries out one order."""
    signal.pthread_sigmask(signal.SIG_SETMASK, [])  # which the starter may have blocked
    if hasattr(os, "sched_setscheduler"):  # the client's may be a real-time one
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    given = read_order()
    if given is None:
        return
    supervisor = Supervisor(*given)
    try:
        if supervisor.start():
            supervisor.run()
    finally:
        supervisor.tree.kill(supervisor.reap)
        supervisor.finish()
