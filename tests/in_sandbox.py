"""A process that runs programs in the sandbox, and says what they left over.

Reads {"limit_s", "groups": [[{"code", "test", "entry_point"}, ...]]} from stdin, writes their
verdicts. Orphans become its children, so that it finds whatever outlives its sandbox.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, sys.argv[1])

from frontier.sandbox.programs import run_all, unavailable
from frontier.sandbox.running import Program

SUBREAPER = 36
PATIENCE_S = 60.0


def left_over() -> bool:
    """True if a process outlives its sandbox."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        time.sleep(0.01)
    return True


def main() -> None:
    """Runs the programs."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)
    job = json.load(sys.stdin)
    found = [
        [
            [one.passed, one.reason]
            for one in run_all([Program(**one) for one in group], limit_s, at_once=4)
        ]
        for limit_s, group in job
    ]
    files = [str(one) for one in Path(tempfile.gettempdir()).iterdir()]
    reason = unavailable()
    print(json.dumps({"reason": reason, "verdicts": found, "left": left_over(), "files": files}))


main()
