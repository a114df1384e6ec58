"""Python environments of their own, for tools that cannot share the core's packages."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from frontier.errors import UserError

# Relative to the working directory, as every path of the workflow.
ENVIRONMENTS = Path("resources/envs")
REQUIREMENTS = Path(__file__).resolve().parents[3] / "envs"


def python(name: str) -> Path:
    """The interpreter of the environment that workflow/envs/NAME.txt pins, made if it is not there.

    It lies in a folder named by the pins and the Python version, so changed pins make another one.
    Raises UserError with pip's last words where a package cannot be installed.
    """
    pins = REQUIREMENTS / f"{name}.txt"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    key = hashlib.sha256(f"{version}\n{pins.read_text(encoding='utf-8')}".encode()).hexdigest()
    folder = (ENVIRONMENTS / f"{name}-{key[:12]}").absolute()
    interpreter = folder / "bin" / "python"
    complete = folder / "complete"
    if complete.exists():
        return interpreter
    print(f"making the environment of {pins.name} in {folder.name}", file=sys.stderr, flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    _run([sys.executable, "-m", "venv", str(folder)], pins)
    pip = [str(interpreter), "-m", "pip", "--disable-pip-version-check", "install", "-q"]
    _run([*pip, "--requirement", str(pins)], pins)
    complete.touch()
    return interpreter


def _run(command: list[str], pins: Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        words = [line for line in done.stderr.splitlines() if line.strip()]
        errors = [line for line in words if line.startswith("ERROR")] or words or ["no message"]
        raise UserError(f"cannot make the environment of {pins.name}: {errors[-1]}")
