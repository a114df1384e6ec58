"""A running server: started on a free port, watched, and stopped with all of its processes."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from frontier.client.scheduling import may_run_first
from frontier.errors import OutOfMemoryError, Reason, UserError, one_line
from frontier.machine.limits import share_of_programs
from frontier.serving import logs, memory, ports, readiness
from frontier.serving.plans import Plan, container_name
from frontier.serving.supervised import Supervised

ATTEMPTS = 5  # ports may be taken between finding and using them
POLL_S = 0.1
GRACE_S = 10.0
BROKEN_S = 1.0
"""Time for a process to end after it has broken its connections."""
KILLED = (-9, 137)  # the process itself, or one of its own or in a container


class Server:
    """A server that is being started, or runs, or has ended."""

    def __init__(self, plan: Plan, port: int, metrics_port: int) -> None:
        """Starts it. Raises UserError if its command is none."""
        self.plan, self.host, self.port = plan, ports.HOST, port
        self.start_s: float | None = None
        """Seconds from the command to the first answer."""
        self.gives_way = False
        """Whether its processes let others run first."""
        self.exposed: list[ports.Listener] = []
        """Its other ports that other hosts reach."""
        self._peak: int | None = None
        self._share = share_of_programs()
        self._oom_kills = logs.oom_kills()
        folder = Path(tempfile.mkdtemp(prefix="llm-frontier-server-"))
        try:
            order = plan.order(folder, port, metrics_port, self._share)
        except UserError as error:
            shutil.rmtree(folder)
            raise UserError(f"{plan.name}: {error}") from None
        plan.log.parent.mkdir(parents=True, exist_ok=True)
        self._log_start = plan.log.stat().st_size if plan.log.exists() else 0
        self.began_ns = time.perf_counter_ns()
        self._supervised = Supervised(order)
        self._container = container_name(order.mark)

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

    def pids(self) -> frozenset[int]:
        """Its processes that run now, its supervisor included."""
        return self._working() | {self._supervised.supervisor}

    def _working(self) -> frozenset[int]:
        own, container = self._supervised.pids(), self.plan.container
        return own | container.processes(self._container) if container else own

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
        return logs.tail(self.plan.log, [*self.plan.secrets.values()], self._log_start)

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
            f"{name}: the server {how} {when}; {logs.last_lines(text)} (all of it: {self.plan.log})"
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


def start(plan: Plan, probe: Callable[[Server], None]) -> Server:
    """A server that has answered, on a port of its own.

    `probe` asks it for what it will be asked later, and raises NotReadyError if it cannot answer
    yet: a server that says that it is well may still load its model. Raises UserError with the
    server's last lines, OutOfMemoryError, and what `probe` raises; then nothing of it is left.
    """
    for attempt in range(1, ATTEMPTS + 1):
        port, metrics_port = ports.free(2)
        server = Server(plan, port, metrics_port)
        try:
            await_ready(server, probe)
            return server
        except BaseException as error:
            server.stop()
            other = isinstance(error, UserError) and server.lost_its_port()
            if not other or attempt == ATTEMPTS:
                raise
    raise AssertionError("the last attempt returns or raises")


def await_ready(server: Server, probe: Callable[[Server], None]) -> None:
    """Returns once a server answers at its own address; otherwise raises what `start` does."""
    plan = server.plan
    deadline = time.monotonic() + plan.ready_s
    while True:
        server.check()
        reason = why_not_ready(server, probe)
        if reason is None:
            server.start_s = (time.perf_counter_ns() - server.began_ns) / 1e9
            server.peak_bytes()
            for host, number in server.exposed:
                also = f"also listens on {host}, port {number}, where other hosts reach it"
                print(f"{plan.name}: the server {also}", file=sys.stderr)
            if not may_run_first():
                server.give_way()
            return
        if time.monotonic() > deadline:
            server.check()
            raise UserError(
                f"{plan.name}: not ready after {plan.ready_s:g} s ({reason}); "
                f"{logs.last_lines(server.log_tail())} (all of it: {plan.log})"
            )
        time.sleep(POLL_S)


def why_not_ready(server: Server, probe: Callable[[Server], None]) -> Reason | None:
    """The reason why a server cannot be asked yet; None if it has answered.

    Raises UserError if other hosts can reach its port, and what `probe` raises.
    """
    mine = ports.listeners(server.pids())
    if mine is not None:
        at = [one for one in mine if one.port == server.port]
        if open_to_all := [one for one in at if not one.is_local]:
            raise UserError(
                f"{server.plan.name}: the server listens on {open_to_all[0].host}, where other "
                f"hosts reach it; its command must make it listen on {server.host} ({{host}})"
            )
        server.exposed = [one for one in mine if not one.is_local]
        if not at:
            return f"nothing of it listens on port {server.port}"
    health = server.plan.health
    if health and (
        reason := readiness.why_not_healthy(server.host, server.port, health, server.plan.headers)
    ):
        return reason
    try:
        probe(server)
    except readiness.NotReadyError as error:
        return one_line(error)
    except Exception:
        server.check(BROKEN_S)  # its own last lines say more than a broken connection
        raise
    return None
