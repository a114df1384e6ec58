"""Starts one server, and ends all of its processes on request, or when nobody is left to ask.

The process that wants the server holds the other end of standard input: it writes an order as a
line of JSON, then `give-way`, `stop SECONDS` or `keep FACTS`. When that end closes, however that
process has ended, everything is killed at once, unless it is to wait for another process of the
same run, whose connection then replaces both ends. Standard output says what happens, a line of
JSON each.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psutil

from frontier.host import presence
from frontier.serving import launching, logs, priority
from frontier.serving.kept import Door
from frontier.serving.orders import Order, read_order
from frontier.serving.processes import Tree

LOOK_S = 1.0
GRACE_S = 10.0
LINGER_S = 3.0
"""Time for a server's processes to end after the first one."""
FINALLY_S = 30.0


class Supervisor:
    """The server's first process, and what is left of the others."""

    def __init__(self, order: Order, pending: bytes = b"") -> None:
        """Starts nothing yet; `pending` is what was read beyond the order."""
        self.order, self.tree = order, Tree(os.getpid(), order.mark)
        self.leader: int | None = None
        self.guard: subprocess.Popen[bytes] | None = None
        self.starter: int | None = os.getppid()
        self.runner = presence.Runner()
        self.door: Door | None = None
        self.facts: object = None
        self.kill_at: float | None = None
        self.pending = pending
        self.priority = b""
        self.wake, wake = os.pipe()
        for end in (self.wake, wake):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: self.stop(LINGER_S))
        for number in (signal.SIGINT, signal.SIGHUP):  # a terminal's, meant for the client
            signal.signal(number, signal.SIG_IGN)
        launching.adopt_orphans()

    def say(self, **what: object) -> None:
        """Writes a line to the client."""
        with contextlib.suppress(OSError):
            os.write(1, json.dumps(what).encode() + b"\n")

    def start(self) -> bool:
        """Starts the first process; False if the system refuses to."""
        try:
            leader, self.guard = launching.launch(self.order)
        except (OSError, ValueError) as error:
            self.say(failed=str(error))
            return False
        self.leader = leader.pid
        self.tree.exempt.add(self.guard.pid)
        self.say(started=leader.pid, guard=self.guard.pid)
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
                    self.say(runner_exited=True)
                    # Nobody asks a server that waits; else a request may hang for minutes.
                    self.stop(LINGER_S if self.door else 0.0)
                if self.priority:
                    self.set_priority()

    def listen(self, wait_s: float) -> None:
        """Waits for orders, signals and ended children, and takes note of orders."""
        source = self.door or 0
        readable, _, _ = select.select([source, self.wake], [], [], wait_s)
        if self.door is None and self.starter not in (None, os.getppid()):
            self.kill_at = time.monotonic()  # a copy of it may hold the pipe open
        if self.wake in readable:
            with contextlib.suppress(BlockingIOError):
                os.read(self.wake, 4096)
        if self.door:
            if self.door in readable:
                self.change_hands()
            elif time.monotonic() > self.door.until:
                self.stop(LINGER_S)
        elif 0 in readable:
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
            match line.split(maxsplit=1):
                case [b"keep", facts]:
                    self.keep(json.loads(facts))
                case [b"give-way"]:
                    self.priority = priority.LOWEST
                    self.say(gives_way=self.set_priority())
                case [b"stop", seconds]:
                    self.stop(float(seconds))

    def keep(self, facts: object) -> None:
        """Keeps the server, with the starter's `facts`, for the next process of the same run."""
        if self.order.keep_at and self.leader is not None and self.kill_at is None:
            with contextlib.suppress(OSError):
                self.door, self.facts = Door(Path(self.order.keep_at), self.order.keep_s), facts
        self.say(kept=self.door is not None)

    def change_hands(self) -> None:
        """Obeys the process that has come, and stops if it needs another server."""
        assert self.door
        if (found := self.door.answer()) is None:
            return
        client, key = found
        for end in (0, 1):
            os.dup2(client.fileno(), end)
        client.close()
        self.door.close()
        self.door = self.starter = None
        self.pending = b""
        guard = self.guard.pid if self.guard else None
        # A server that has been asked to end would do so in the middle of the next cell.
        same = key == self.order.key and self.leader is not None and self.kill_at is None
        self.say(
            supervisor=os.getpid(), mark=self.order.mark, guard=guard,
            facts=self.facts if same else None,
        )  # fmt: skip
        if not same:
            self.stop(GRACE_S)

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
        if self.door:
            self.door.close()
        if self.guard and self.guard.stdin:
            with contextlib.suppress(BrokenPipeError):
                self.guard.stdin.write(b"ended\n")
                self.guard.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.guard.wait(FINALLY_S)
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
