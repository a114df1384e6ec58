"""The start of a server: on a free port, or by an earlier cell; until it has answered."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from frontier.client.scheduling import may_run_first
from frontier.errors import Reason, UserError, one_line
from frontier.serving import logs, ports, readiness
from frontier.serving.plans import Plan
from frontier.serving.server import Server
from frontier.serving.supervised import Supervised

ATTEMPTS = 5  # ports may be taken between finding and using them
POLL_S = 0.1
BROKEN_S = 1.0
"""Time for a process to end after it has broken its connections."""


def end_kept() -> None:
    """Ends the server that an earlier cell of the run has left, if there is one."""
    Supervised.taken("")


def start(plan: Plan, probe: Callable[[Server], None]) -> Server:
    """A server that has answered, on a port of its own.

    `probe` asks it for what it will be asked later, and raises NotReadyError if it cannot answer
    yet: a server that says that it is well may still load its model. Raises UserError with the
    server's last lines, OutOfMemoryError, and what `probe` raises; then nothing of it is left.
    """
    for attempt in range(1, ATTEMPTS + 1):
        server = Server.taken(plan) or Server.started(plan, *ports.free(2))
        try:
            await_ready(server, probe)
            return server
        except BaseException as error:
            server.stop()
            again = server.kept or server.lost_its_port()
            if not isinstance(error, UserError) or not again or attempt == ATTEMPTS:
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
            if not server.kept:
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
                f"{logs.last_lines(server.log_tail())} (all of it: {server.log})"
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
