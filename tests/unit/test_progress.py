"""Progress while requests are asked: one live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time

import pytest

from cells import ROOT
from frontier.host import progress
from frontier.host.progress import Progress, line, remaining

PROGRAM = """
import sys
from frontier.host import progress
progress.LIVE_S = progress.PLAIN_S = 0.0
shown = progress.Progress("llama/cpu/sst2", 3, "requests")
if "broken" in sys.argv:
    stopped = shown
    shown.step()
    del shown, stopped
    shown = progress.Progress("again", 3, "requests")
if "two" in sys.argv:
    other = progress.Progress("gpt2/cpu/sst2", 1, "requests")
    other.step()
for ms in (1, 2, 9):
    shown.step(ttft=ms / 1000, tpot=None)
print("end", file=sys.stderr)
"""
DEADLINE_S = 60


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-c", PROGRAM, *arguments]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT / "workflow" / "scripts"), "COLUMNS": "200"}


def on_terminal(*arguments: str) -> str:
    """The program's output to a terminal on stderr."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command(*arguments), stderr=theirs, env=environment())
    os.close(theirs)
    found, until = b"", time.monotonic() + DEADLINE_S
    try:
        while b"end" not in found:
            assert time.monotonic() < until, found
            if select.select([ours], [], [], 1)[0]:
                found += os.read(ours, 4096)
    finally:
        os.close(ours)
        process.wait(DEADLINE_S)
    return found.decode()


def test_on_a_terminal_one_line_is_written_over() -> None:
    shown = on_terminal()
    (first, _end) = shown.split("\n", 1)
    states = first.strip("\r").split("\r")
    assert states[0].startswith("llama/cpu/sst2: 1/3 requests, median TTFT 1.00 ms, ")
    assert states[1].startswith("llama/cpu/sst2: 2/3 requests, median TTFT 1.50 ms, ")
    assert states[2].startswith("llama/cpu/sst2: 3/3 requests, median TTFT 2.00 ms, 0 s left")
    assert "TPOT" not in shown


def test_next_to_a_live_line_another_has_lines_of_its_own() -> None:
    """Locks belong to open files, so that two in one process exclude each other as well."""
    assert "\r\x1b[Kgpt2/cpu/sst2: 1/1 requests, 0 s left\r\n" in on_terminal("two")


def test_a_line_that_was_not_finished_is_ended_and_leaves_the_terminal() -> None:
    """A rate of arrivals may be given up."""
    first, second, _ = on_terminal("broken").split("\n", 2)
    assert first.startswith("\rllama/cpu/sst2: 1/3 requests")
    assert second.strip("\r").split("\r")[-1].startswith("again: 3/3 requests")


def test_without_a_terminal_lines_are_plain() -> None:
    done = subprocess.run(command(), capture_output=True, text=True, check=True, env=environment())
    lines = done.stderr.splitlines()
    assert [one.split(",")[0] for one in lines] == [
        *(f"llama/cpu/sst2: {done}/3 requests" for done in (1, 2, 3)),
        "end",
    ]
    assert "\r" not in done.stderr
    assert "\x1b" not in done.stderr


def test_lines_are_no_more_frequent_than_wanted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "PLAIN_S", 3600.0)
    shown = Progress("many", 1000, "steps")
    for _ in range(1000):
        shown.step()
    assert capsys.readouterr().err == "many: 1000/1000 steps, 0 s left\n"


def test_what_was_done_before_does_not_count_for_the_speed() -> None:
    shown = Progress("resumed", 100, "requests", done=90)
    shown.done = 95
    assert line(shown, shown.start + 10) == "resumed: 95/100 requests, 10 s left"


def test_long_waits_are_in_long_units() -> None:
    assert [remaining(one) for one in (0, 119, 120, 7199, 7200, 86400)] == [
        "0 s", "119 s", "2 min", "120 min", "2.0 h", "24.0 h",
    ]  # fmt: skip
