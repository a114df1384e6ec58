"""A running server: watched, stopped with all of its processes, or left for the next cell."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self

from frontier.errors import OutOfMemoryError, UserError
from frontier.machine.limits import share_of_programs
from frontier.serving import logs, memory, ports
from frontier.serving.plans import Plan, container_name
from frontier.serving.supervised import Supervised

GRACE_S = 10.0
KILLED = (-9, 137)  # the process itself, or one of its own or in a container


@dataclass(frozen=True)
class Facts:
    """The facts of a server that a later cell has to know."""

    port: int
    log: str
    log_start: int
    """The byte of the log at which its own output starts."""
    container: str
    """The name of its container, if it is in one."""
    start_s: float | None = None


class Server:
    """A server that is being started, or runs, or has ended."""

    def __init__(self, plan: Plan, line: Supervised, facts: Facts) -> None:
        """A server of that `plan`, at the other end of the `line`."""
        self.plan, self.host, self.port = plan, ports.HOST, facts.port
        self.start_s = facts.start_s
        """Seconds from the command to the first answer; None before that."""
        self.kept = facts.start_s is not None
        """Whether it was started for an earlier cell."""
        self.gives_way = False
        """Whether its processes let others run first."""
        self.exposed: list[ports.Listener] = []
        """Its other ports that other hosts reach."""
        self._supervised, self._facts = line, facts
        self._peak: int | None = None
        self._share = share_of_programs()
        self._oom_kills = logs.oom_kills()
        self.began_ns = time.perf_counter_ns()

    @classmethod
    def started(cls, plan: Plan, port: int, metrics_port: int) -> Self:
        """One whose command has just been started. Raises UserError if that is impossible."""
        folder = Path(tempfile.mkdtemp(prefix="llm-frontier-server-"))
        try:
            order = plan.order(folder, port, metrics_port, share_of_programs())
        except UserError as error:
            shutil.rmtree(folder)
            raise UserError(f"{plan.name}: {error}") from None
        plan.log.parent.mkdir(parents=True, exist_ok=True)
        begin = plan.log.stat().st_size if plan.log.exists() else 0
        facts = Facts(port, str(plan.log.absolute()), begin, container_name(order.mark))
        return cls(plan, Supervised.started(order), facts)

    @classmethod
    def taken(cls, plan: Plan) -> Self | None:
        """The one that an earlier cell of the run has left, if it is the same; ends any other."""
        found = Supervised.taken(plan.key(share_of_programs()) if plan.keep_s else "")
        if found is None:
            return None
        line, facts = found
        server = cls(plan, line, Facts(**facts))
        memory.forget_peaks(server._working())
        return server

    @property
    def log(self) -> str:
        """The file with its output; an earlier cell's, if that has started it."""
        return self._facts.log

    @property
    def url(self) -> str:
        """The address of its root."""
        return f"http://{self.host}:{self.port}"

    def __enter__(self) -> Self:
        """Returns itself."""
        return self

    def __exit__(self, *_raised: object) -> None:
        """Stops it."""
        self.stop()

    def keep(self) -> bool:
        """Leaves it for the next cell of the run, if it may be; False if it is still to be stopped.

        Nobody may wait for an answer of it any more.
        """
        if not self.plan.keep_s or self.start_s is None:
            return False
        return self._supervised.keep(asdict(replace(self._facts, start_s=self.start_s)))

    def pids(self) -> frozenset[int]:
        """Its processes that run now, its supervisor included."""
        return self._working() | {self._supervised.supervisor}

    def _working(self) -> frozenset[int]:
        own, container = self._supervised.pids(), self.plan.container
        return own | container.processes(self._facts.container) if container else own

    def peak_bytes(self) -> int | None:
        """The largest memory of its processes that was seen; looks now, which disturbs it.

        None if they are another user's.
        """
        now = memory.peak_bytes(self._working())
        self._peak = max(filter(None, (self._peak, now)), default=None)
        return self._peak

    def give_way(self) -> None:
        """Lets other processes run first, where the client may not do so by itself.

        On few cores the client would otherwise read an answer late, while the server computes the
        next token. Other processes slow the server down more than without it.
        """
        self.gives_way = self._supervised.give_way()

    def log_tail(self) -> str:
        """The end of what it has written, without secrets."""
        secrets = [*self.plan.secrets.values()]
        return logs.tail(Path(self._facts.log), secrets, self._facts.log_start)

    def check(self, wait_s: float = 0.0) -> None:
        """Raises UserError with its last lines, or OutOfMemoryError, if it has ended.

        After a broken connection, `wait_s` is the time in which it may be about to.
        """
        if self._supervised.has_ended(wait_s):
            raise self._fault()

    def _fault(self) -> UserError | OutOfMemoryError:
        """The error that says how it ended."""
        known, name, text = self._supervised, self.plan.name, self.log_tail()
        when = "while it started" if self.start_s is None else "while it was asked"
        if known.failed is not None:
            return UserError(f"{name}: cannot be started: {known.failed}")
        if known.runner_exited:
            return UserError(f"{name}: Snakemake has ended; what was measured is saved")
        if known.over_memory and self._share:
            return self._share.exceeded()
        killed = known.exit in KILLED and logs.oom_kills() != self._oom_kills
        if killed or logs.lacks_memory(text):
            return OutOfMemoryError(f"the server ended {when}: {logs.last_lines(text, 2)}")
        if known.exit is None:
            how = "lost its supervisor"
        elif known.exit < 0:
            how = f"was killed by signal {-known.exit}"
        else:
            how = f"ended with exit code {known.exit}"
        return UserError(
            f"{name}: the server {how} {when}; {logs.last_lines(text)} (all of it: {self.log})"
        )

    def lost_its_port(self) -> bool:
        """True if it ended because another process has its port."""
        return self._supervised.exit is not None and bool(ports.TAKEN.search(self.log_tail()))

    def stop(self, grace_s: float = GRACE_S) -> None:
        """Ends it: asks, waits for `grace_s`, kills; returns when none of its processes is left.

        Prints a line if the kernel did not end one.
        """
        if left := self._supervised.stop(grace_s):
            print(f"{self.plan.name}: processes that do not end: {left}", file=sys.stderr)
