"""A copy of the project with a study of tiny models, on which the real Snakemake runs."""

from __future__ import annotations

import contextlib
import filecmp
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

import plan
from frontier.planning.freshness import Freshness
from frontier.planning.pending import pending
from frontier.results import layout
from warm_snakemake import SNAKEMAKE, Warm

ROOT = Path(__file__).resolve().parent.parent
LEFT_BEHIND = shutil.ignore_patterns(
    ".venv", ".git", ".snakemake", "results", "datasets", "downloads", "models", "samples", "envs", "quantized", "merged", "adapters", "calibrations",
    "machines", "digests.json", "__pycache__", ".*_cache", ".hypothesis", "tests",
)  # fmt: skip

CODE = ("workflow", "resources/report")
ABOUT = ("environment", "dataset", "model", "calibration", "variant", "format", "task")
NO_BYTECODE = {"PYTHONDONTWRITEBYTECODE": "1"}
WARM = Warm()


def copy_project(target: Path) -> Path:
    """The project's own files without what was built from them.

    `frontier/datasets` and the like are code; only resources/* of those names stays behind.
    """
    shutil.copytree(
        ROOT,
        target,
        symlinks=True,
        ignore=lambda folder, names: (
            LEFT_BEHIND(folder, names)
            if Path(folder) in (ROOT, ROOT / "resources")
            else shutil.ignore_patterns("__pycache__")(folder, names)
        ),
    )
    machines = ROOT / layout.MACHINES  # measured once for all tests
    machines.mkdir(parents=True, exist_ok=True)
    target.joinpath(layout.MACHINES).symlink_to(machines)
    return target


class Workspace:
    """A checkout to change and run in."""

    def __init__(self, root: Path) -> None:
        """Nothing is copied or run yet."""
        self.root = root

    def share_environments(self) -> None:
        """Takes environments from the project's own checkout, where they are built once."""
        shared = ROOT / "resources" / "envs"
        shared.mkdir(parents=True, exist_ok=True)
        self.path("resources/envs").symlink_to(shared)

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Runs a command here, to its end."""
        return subprocess.run(
            command,
            cwd=self.root,
            env=os.environ | NO_BYTECODE | environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def snakemake(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Runs the real Snakemake here; with an environment of its own, from its first import on."""
        arguments = ("--cores", "2", *arguments)
        if environment:
            return self.run(sys.executable, "-m", "snakemake", *arguments, **environment)
        return WARM.run(self.root, SNAKEMAKE, arguments, dict(os.environ) | NO_BYTECODE)

    def build(self, *arguments: str, **environment: str) -> str:
        """Runs Snakemake and return its log; fails with that log if it does."""
        done = self.snakemake(*arguments, **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def program(
        self, name: str, *arguments: str, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Runs one of workflow/scripts by hand; third-party packages may have been imported before."""
        whole = dict(os.environ) | NO_BYTECODE | environment
        return WARM.run(self.root, f"workflow/scripts/{name}.py", arguments, whole)

    def jobs(self, *arguments: str, **environment: str) -> set[str]:
        """The jobs of a dry run, as "RULE what", without rule all."""
        done = self.snakemake("--dry-run", *arguments, **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return jobs_in(done.stdout + done.stderr)

    def would_run(self, *cells: str, **environment: str) -> set[str]:
        """The same as `jobs`, of the study or of some cells, as plan.py --why computes it."""
        if not environment and self.has_our_code():
            return self._planned_here(cells)
        done = self.program("plan", "--why", "--json", *cells, **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return {_named(job["rule"], job) for job in json.loads(done.stdout)["jobs"]}

    def has_our_code(self) -> bool:
        """Whether nobody has changed the code here, so that this process can plan with its own."""
        ours, theirs = (
            {path.relative_to(root): path for name in CODE for path in root.joinpath(name).rglob("*")
             if "__pycache__" not in path.parts}
            for root in (ROOT, self.root)
        )  # fmt: skip
        return ours.keys() == theirs.keys() and all(
            path.is_dir() or filecmp.cmp(path, theirs[name]) for name, path in ours.items()
        )

    def _planned_here(self, cells: tuple[str, ...]) -> set[str]:
        """Plans like plan.py, in this process, which has computed the identities of the code before."""
        with contextlib.chdir(self.root):
            steps = plan.read([Path("config/config.yaml")])
            named = [plan.named(steps, cell) for cell in cells] or steps.cells
            jobs = pending(Freshness(steps), named, tables=not cells)
        return {_named(job.rule, job.names) for job in jobs}

    def path(self, name: str) -> Path:
        """A file of the checkout."""
        return self.root / name

    def edit(self, name: str, old: str, new: str) -> None:
        """Replaces a text that stands exactly once in a file."""
        text = self.path(name).read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {name}"
        self.path(name).write_text(text.replace(old, new), encoding="utf-8")

    def set(self, name: str, keys: str, value: Any) -> None:
        """Sets a value in one of config/*.yaml by its dotted keys; None deletes it."""
        path = self.path(f"config/{name}.yaml")
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        *parents, last = keys.split("/")
        block = content
        for key in parents:
            block = block[key]
        if value is None:
            del block[last]
        else:
            block[last] = value
        path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), "utf-8")

    def get(self, name: str, keys: str) -> Any:
        """A value of one of config/*.yaml by its dotted keys."""
        value = yaml.safe_load(self.path(f"config/{name}.yaml").read_text(encoding="utf-8"))
        for key in keys.split("/"):
            value = value[key]
        return value


def jobs_in(log: str) -> set[str]:
    """The jobs that Snakemake's log announces, named by rule and what they are about."""
    found = set()
    for block in re.split(r"\n(?=(?:local)?rule )", log):
        head = re.match(r"(?:local)?rule (\w+):", block)
        if not head or head[1] == "all":
            continue
        wildcards = dict(re.findall(r"(\w+)=([^,\n]+)", _line(block, "wildcards")))
        found.add(_named(head[1], wildcards))
    return found


def _named(rule: str, about: Mapping[str, str]) -> str:
    """A job by its rule and what it is about, but for the device."""
    return " ".join((rule, *(about[key] for key in ABOUT if key in about)))


def _line(block: str, name: str) -> str:
    line = re.search(rf"^    {name}: (.+)$", block, re.MULTILINE)
    return line[1] if line else ""


def refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """The run failed, and one line says why, with these words; no traceback anywhere."""
    log = done.stdout + done.stderr
    assert done.returncode != 0, log
    errors = [line for line in log.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, log
    assert all(word in errors[0] for word in words), errors[0]
    assert "Traceback" not in log, log
