"""Servers that wait for the next cell of a run: only the same one, and never beyond the run."""

from __future__ import annotations

import subprocess

import pytest

from frontier.serving import kept, servers
from started import Little, ask, get, starter
from waiting import PATIENCE_S, wait_until


def test_the_same_server_is_taken_over(little: Little, run: subprocess.Popen[bytes]) -> None:
    """It is not started again: the same process, port, log and time of its start."""
    plan = little.plan("--workers", "1", "--say", "started", keep_s=PATIENCE_S)
    first = servers.start(plan, ask)
    assert not first.kept
    get(first, "/grow")
    processes, start_s, peak = (
        {one.pid for one in little.running()},
        first.start_s,
        first.peak_bytes(),
    )
    assert first.keep()
    second = servers.start(plan, ask)
    assert second.kept
    assert (second.port, second.start_s) == (first.port, start_s)
    assert {one.pid for one in little.running()} == processes < second.pids()
    assert "started" in second.log_tail()
    assert abs((second.peak_bytes() or 0) - (peak or 0)) < 1e8
    assert second.keep()
    with servers.start(plan, ask) as third:
        third.check()
        assert little.log.read_text(encoding="utf-8").count("started") == 1
    assert little.running() == []
    assert not kept.address().exists()


def test_another_server_replaces_it(little: Little, run: subprocess.Popen[bytes]) -> None:
    """Any difference in the command, its environment or the threads is one."""
    plans = [
        little.plan(keep_s=PATIENCE_S), little.plan("--workers", "1", keep_s=PATIENCE_S),
        little.plan("--workers", "1", keep_s=PATIENCE_S, threads=3),
        little.plan("--workers", "1", keep_s=PATIENCE_S, secrets={"LITTLE_KEY": "x"}),
        little.plan("--workers", "1"),
    ]  # fmt: skip
    for plan in plans:
        before = {one.pid for one in little.running()}
        server = servers.start(plan, ask)
        assert not server.kept
        assert not before & {one.pid for one in little.running()}
        assert server.keep() == bool(plan.keep_s)
    server.stop()


def test_a_cell_without_a_server_ends_it(little: Little, run: subprocess.Popen[bytes]) -> None:
    """It would disturb what is timed."""
    assert servers.start(little.plan("--stubborn", keep_s=PATIENCE_S), ask).keep()
    servers.end_kept()
    assert little.running() == []
    servers.end_kept()


def test_its_run_ends(little: Little, run: subprocess.Popen[bytes]) -> None:
    """However that ends, the server ends as well."""
    plan = little.plan("--workers", "1", "--detached", "1", keep_s=PATIENCE_S)
    assert servers.start(plan, ask).keep()
    run.kill()
    run.wait()
    little.is_gone()


def test_nobody_comes(little: Little, run: subprocess.Popen[bytes]) -> None:
    """It takes memory, so it does not wait for long."""
    assert servers.start(little.plan(keep_s=0.1), ask).keep()
    little.is_gone()
    wait_until(lambda: not kept.address().exists(), "its socket is removed")


def test_it_ends_while_nobody_asks(little: Little, run: subprocess.Popen[bytes]) -> None:
    """The next cell starts another one."""
    plan = little.plan(keep_s=PATIENCE_S)
    assert servers.start(plan, ask).keep()
    for one in little.running():
        one.kill()
    with servers.start(plan, ask) as server:
        get(server, "/health")


def test_a_process_that_took_it_is_killed(little: Little, run: subprocess.Popen[bytes]) -> None:
    """It ends with that process, as if that had started it."""
    keep = "server.keep() and os._exit(0)"
    with starter(little, "--workers", "1", then=keep, keep_s=PATIENCE_S) as first:
        assert first.wait(PATIENCE_S) == 0
    assert len(little.running()) == 2
    with starter(little, "--workers", "1", keep_s=PATIENCE_S, then="assert server.kept") as second:
        assert second.stdout.readline() == "ready\n"
        second.kill()
    little.is_gone()


def test_without_a_run_it_is_not_kept(little: Little, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that was started by hand has no next cell."""
    monkeypatch.delenv("LLM_FRONTIER_RUNNER", raising=False)
    with servers.start(little.plan(keep_s=PATIENCE_S), ask) as server:
        assert not server.keep()
