"""The surroundings of a process: the code's commit, the processor's governor, the container.

They are recorded, and decide neither an answer nor whether a result is current: an identity has the
code itself, by its definitions.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from frontier.machine.conditions import setting

ROOT = Path(__file__).resolve().parents[4]
"""The folder of the project."""
FILES = {"docker": Path("/.dockerenv"), "podman": Path("/run/.containerenv")}
VARIABLES = {
    "kubernetes": "KUBERNETES_SERVICE_HOST",
    "apptainer": "APPTAINER_CONTAINER",
    "singularity": "SINGULARITY_CONTAINER",
}
WAIT_S = 20.0
"""Time for git, which a network's file system may delay."""


def describe() -> dict[str, Any]:
    """The surroundings; what is not known is null."""
    return {**commit(ROOT), "governor": setting("governor"), "container": container(os.environ)}


def commit(folder: Path) -> dict[str, Any]:
    """The commit that is checked out in `folder`, and whether tracked files differ from it.

    Both null without git, and in a folder that is not the top of a checkout: the commit of another
    project around it says nothing about this code.
    """
    top = _git(folder, "rev-parse", "--show-toplevel")
    if top is None or Path(top).resolve() != folder.resolve():
        return {"commit": None, "dirty": None}
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    dirty = None if changed is None else bool(changed)
    return {"commit": _git(folder, "rev-parse", "HEAD"), "dirty": dirty}


def _git(folder: Path, *arguments: str) -> str | None:
    """The output of git; None if it fails."""
    # Not GIT_DIR and its kind, which a hook of another repository sets.
    outside = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "-C", str(folder), "--no-optional-locks", *arguments]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=WAIT_S, env=outside
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def container(environment: Mapping[str, str]) -> str | None:
    """The kind of container in which this process runs; None if none is recognised."""
    named = [kind for kind, variable in VARIABLES.items() if environment.get(variable)]
    return next(iter(named), None) or next(
        (kind for kind, path in FILES.items() if path.exists()), None
    )
