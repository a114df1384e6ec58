"""Waiting for what other processes do: one deadline, long enough for a slow and busy machine.

A file is there before its content is, so a test waits for what it will use: the line, the number of
lines, the state of the process. A fixed sleep is no such condition.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

PATIENCE_S = 300.0
"""Far more than anything here takes; reached only if what is waited for never happens."""
POLL_S = 0.02


def wait_until(
    condition: Callable[[], object],
    what: str | Path,
    running: subprocess.Popen[Any] | None = None,
    poll_s: float = POLL_S,
) -> None:
    """Waits until a condition holds, while a process that is to bring it about is `running`.

    `what` is the message if it never does: words, or a log to be shown. Raises AssertionError.
    """
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        ended = running is not None and running.poll() is not None
        if ended and condition():  # it came about just before the end
            return
        assert not ended, f"the process has ended before: {_said(what)}"
        assert time.monotonic() < deadline, f"it does not happen: {_said(what)}"
        time.sleep(poll_s)


def text_of(path: Path) -> str:
    """The text of a file so far, "" if it is not there; its last letter may be half written."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def has_ended(process: psutil.Process) -> bool:
    """Whether a process has ended, even if its parent has not asked for its exit code yet."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _said(what: str | Path) -> str:
    return text_of(what) if isinstance(what, Path) else what
