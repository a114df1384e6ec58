"""The processes of a server, however they detach: by descent, by session and by a variable."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable

import psutil

MARK = "LLM_FRONTIER_SERVER"
"""The variable that all processes of a server inherit; its value is the server's own."""
PATIENCE_S = 30.0  # for the kernel to end a killed process
POLL_S = 0.02


class Tree:
    """The processes that descend from a supervisor, and those that were seen to.

    A process may call setsid, fork twice or write over its environment (as setproctitle does), but
    hardly all of it before it was seen once. Where orphans come back to the supervisor (Linux)
    descent alone finds all of them.
    """

    def __init__(self, supervisor: int, mark: str) -> None:
        """Looks at nothing yet; the supervisor itself does not belong to the tree."""
        self.supervisor, self.mark = supervisor, mark
        self.exempt = {supervisor, os.getpid()}
        """Processes that do not belong to it, whatever their parents and sessions."""
        self.seen: set[psutil.Process] = set()
        self.sessions: set[int] = set()

    def look(self, thorough: bool = False) -> list[psutil.Process]:
        """The processes that run now; `thorough` reads every process's variables as well."""
        found = {one for one in self.seen if one.is_running()}
        with contextlib.suppress(psutil.NoSuchProcess):
            found |= {*psutil.Process(self.supervisor).children(recursive=True)}
        found = {one for one in found if one.pid not in self.exempt}
        self.seen = found
        known = self.exempt | {one.pid for one in found}
        for pid in (pid for pid in psutil.pids() if pid not in known):
            if self._in_session(pid) or (thorough and marked(pid, self.mark)):
                with contextlib.suppress(psutil.NoSuchProcess):
                    found.add(psutil.Process(pid))
        for one in found:
            if (sid := session_of(one.pid)) and sid != session_of(self.supervisor):
                self.sessions.add(sid)
        return [one for one in found if runs(one)]

    def _in_session(self, pid: int) -> bool:
        """True if a process's session is one of ours.

        The number of a session is not given to another one while a process is in it, but may be
        afterwards: its leader is then a process that was never seen here.
        """
        sid = session_of(pid)
        if sid not in self.sessions or pid == sid:
            return False
        return not psutil.pid_exists(sid) or any(one.pid == sid for one in self.seen)

    def kill(self, between: Callable[[], object], patience_s: float = PATIENCE_S) -> list[int]:
        """Kills all of them, until none is left; returns the pids that the kernel did not end.

        `between` attempts it does what lets the killed ones vanish, such as waiting for children.
        """
        deadline = time.monotonic() + patience_s
        while left := self.look(thorough=True):
            for one in left:
                with contextlib.suppress(psutil.Error):
                    one.kill()
            between()
            if time.monotonic() > deadline:
                return sorted(one.pid for one in left)
            time.sleep(POLL_S)
        return []


def runs(process: psutil.Process) -> bool:
    """True unless it has ended, even if its parent has not noticed."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def await_end(pid: int, patience_s: float = PATIENCE_S) -> None:
    """Returns once a process has ended that may be another one's child, or after `patience_s`."""
    deadline = time.monotonic() + patience_s
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        while runs(process) and time.monotonic() < deadline:
            time.sleep(POLL_S)


def session_of(pid: int) -> int | None:
    """The session of a process; None if it has ended."""
    try:
        return os.getsid(pid)
    except OSError:
        return None


def marked(pid: int, mark: str) -> bool:
    """True if a process of this user has the variable with that value."""
    try:
        return psutil.Process(pid).environ().get(MARK) == mark
    except (psutil.Error, OSError):
        return False
