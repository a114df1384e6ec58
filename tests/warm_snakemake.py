"""Snakemake without the time that its imports take: a process that has done them forks for each run.

The workflow's own programs run that way too. It never imports `frontier`, which tests change. Its
name is in its command line, by which programs know who runs them.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# Everything a run has imported at its end, except what reads the environment while imported.
IMPORTED = (
    "snakemake.cli", "snakemake.report.html_reporter", "snakemake.scheduling.greedy",
    "snakemake_executor_plugin_slurm", "snakemake_executor_plugin_slurm_jobstep",
    "filelock", "jinja2", "pandas", "psutil", "pydantic", "pynvml", "yaml",
)  # fmt: skip
SNAKEMAKE = "snakemake"
FIND_PACKAGES = importlib.metadata.packages_distributions


class Warm:
    """Runs Snakemake, or a Python file, as often as it is asked to, one run at a time."""

    def __init__(self) -> None:
        """Nothing is started yet."""
        self.waiting: subprocess.Popen[str] | None = None

    def run(
        self, folder: Path, program: str, arguments: Sequence[str], environment: dict[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Runs `python -P PROGRAM` in a folder and captures its output, like subprocess.run.

        PROGRAM: a file, or SNAKEMAKE for `-m snakemake`.
        """
        process, self.waiting = self.waiting or _start(), None  # none if this is interrupted
        assert process.stdin
        assert process.stdout
        with tempfile.TemporaryDirectory() as words:
            outputs = [Path(words) / name for name in ("stdout", "stderr")]
            asked = {
                "folder": str(folder), "program": program, "arguments": [*arguments],
                "environment": environment, "outputs": [*map(str, outputs)],
            }  # fmt: skip
            process.stdin.write(json.dumps(asked) + "\n")
            process.stdin.flush()
            code = int(process.stdout.readline())
            said = (path.read_text(encoding="utf-8") for path in outputs)
            self.waiting = process
            return subprocess.CompletedProcess([*arguments], code, *said)


def _start() -> subprocess.Popen[str]:
    """The process that imports and forks; it ends with its standard input."""
    return subprocess.Popen(
        [sys.executable, "-P", __file__], env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def become(asked: dict[str, Any]) -> None:
    """Becomes the run that is requested, from its working directory to its exit code."""
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, path in enumerate(asked["outputs"], start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
    if path := os.environ.get("PYTHONPATH"):
        sys.path[:0] = path.split(os.pathsep)
        importlib.metadata.packages_distributions = FIND_PACKAGES
    sys.argv = [asked["program"], *asked["arguments"]]
    if asked["program"] == SNAKEMAKE:
        sys.path.insert(0, asked["folder"])
        importlib.import_module("snakemake.cli").main()
    else:
        runpy.run_path(asked["program"], run_name="__main__")
    sys.exit()


def main() -> None:
    """Imports, then forks for each line of the standard input."""
    for name in IMPORTED:
        importlib.import_module(name)
    assert "frontier" not in sys.modules
    # The packages of the modules: every run needs them, and finding them takes a fifth of a second.
    installed = FIND_PACKAGES()
    importlib.metadata.packages_distributions = lambda: installed
    for line in sys.stdin:
        child = os.fork()
        if not child:
            become(json.loads(line))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
