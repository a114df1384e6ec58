"""Environments of their own, for tests of the code that runs in them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = os.pathsep.join((str(ROOT / "workflow" / "scripts"), str(ROOT / "tests")))


def run_in(python: Path, program: str, *arguments: str) -> str:
    """Runs a Python text with our library on its path; gives its output, fails with its errors."""
    done = subprocess.run(
        [python, "-c", program, *arguments],
        env=os.environ | {"PYTHONPATH": LIBRARY, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
