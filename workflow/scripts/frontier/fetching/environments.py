"""Separate Python environments for engines and tools that cannot share the core's packages.

workflow/envs/NAME.txt pins one completely. It is built once, into a folder named after a digest of
its pins, and checked before each use; one with a missing file is rebuilt.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from frontier import values
from frontier.errors import Reason, UserError
from frontier.host import caches, files, locks
from frontier.machine import hardware

PINS = Path(__file__).resolve().parents[3] / "envs"
BUILD_VARIABLES = ("CMAKE_ARGS", "CXXFLAGS", "CFLAGS", "CC", "CXX")
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def names() -> list[str]:
    """The names of the pinned environments."""
    return sorted(path.stem for path in PINS.glob("*.txt"))


@cache
def requirements(name: str) -> dict[str, Any]:
    """The pins of an environment, without comments, and Python's version: all that decides it."""
    lines = (PINS / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    pins = [pin for line in lines if (pin := line.partition("#")[0].strip())]
    return {"pins": sorted(pins), "python": PYTHON}


def identity(name: str) -> str:
    """The digest of an environment's requirements."""
    parts = requirements(name)
    return hashlib.sha256("\n".join((parts["python"], *parts["pins"])).encode()).hexdigest()[:16]


def lock(name: str) -> Path:
    """The file that lists the installed packages; it exists once the environment is complete."""
    return lock_of(name, identity(name))


def lock_of(name: str, identity: str) -> Path:
    """The lock of an environment with that identity."""
    return caches.OWN / "envs" / name / identity / locks.NAME


def python(name: str) -> Path:
    """The interpreter of an environment, which is built if it is missing or damaged.

    Raises UserError with pip's last line if a package cannot be installed.
    """
    own, folder = lock(name), _place(name)
    with caches.shared():
        if broken(folder):
            with caches.locked(folder):
                _mend(folder, name)
    if not locks.lock_is_whole(own):  # the environment is in a shared folder
        files.write_bytes(own, (folder / "lock.json").read_bytes())
    return folder / "bin" / "python"


def _mend(folder: Path, name: str) -> None:
    """Builds the environment, unless another process has done so meanwhile."""
    if fault := broken(folder):
        print(f"building the environment {name}: {fault}", file=sys.stderr, flush=True)
        with files.replaced_folder(folder) as new:
            _build(new, name)


def compiled_for(name: str) -> str | None:
    """The processor for which an environment is compiled here; None if nothing is compiled."""
    return hardware.cpu_name() if "--config-settings" in str(requirements(name)) else None


def _place(name: str) -> Path:
    """An environment's folder, which machines with other processors may share."""
    own = lock(name).parent
    shared = caches.shared_path(own)
    processor = compiled_for(name)
    if shared != own and processor:
        suffix = hashlib.sha256(processor.encode()).hexdigest()[:8]
        shared = shared.with_name(f"{shared.name}-{suffix}")
    return shared.absolute()


def broken(folder: Path) -> Reason | None:
    """The reason why an environment cannot be used; None if it is complete.

    Each installed file is checked for existence and for the size in its package's RECORD.
    """
    from frontier.fetching import (
        installed,
    )  # imported late: it takes some milliseconds, and planning needs none of it

    if not (folder / "lock.json").exists():
        return "it does not exist yet"
    packages = site_packages(folder)
    if not os.access(folder / "bin" / "python", os.X_OK):
        return "its interpreter is missing"
    if not locks.lock_is_whole(folder / "lock.json"):
        return "its lock.json was altered"
    recorded = values.read_json(folder / "lock.json")
    if recorded["compiled_for"] not in (None, hardware.cpu_name()):
        return f"it was compiled for {recorded['compiled_for']}"
    there = _programs(folder)
    for name, size in recorded.get("programs", {}).items():
        if there.get(name) != size:
            return f"bin/{name} is missing" if name not in there else f"bin/{name} was altered"
    records = {path.parent.name: path for path in packages.glob("*.dist-info/RECORD")}
    if len(records) != len(recorded["packages"]):
        return f"it has {len(records)} packages instead of {len(recorded['packages'])}"
    for record in records.values():
        for path, _, size in installed.recorded(record.read_text(encoding="utf-8")):
            # Files in bin/ contain their interpreter's path, so their size varies, and Python
            # rewrites its compiled files at any time.
            if size is None or path.parts[0] == ".." or path.suffix == ".pyc":
                continue
            try:
                found = (packages / path).stat().st_size
            except OSError:
                return f"{path} is missing"
            if found != size:
                return f"{path} was altered"
    return None


def _programs(folder: Path) -> dict[str, int]:
    """The sizes of an environment's own programs that are no scripts, such as a compiled server."""
    found = {}
    for path in sorted((folder / "bin").iterdir()):
        if path.is_file() and not path.is_symlink() and os.access(path, os.X_OK):
            with path.open("rb") as file:
                if file.read(2) != b"#!":
                    found[path.name] = path.stat().st_size
    return found


def site_packages(folder: Path) -> Path:
    """The folder of an environment's packages."""
    return folder / "lib" / f"python{PYTHON}" / "site-packages"


def _build(folder: Path, name: str) -> None:
    """Creates a virtual environment, installs the pins, and records what was installed.

    Packages pinned to the version that this program has are copied from here; the others are
    installed by this program's pip, which is newer than the one bundled with Python.
    """
    from frontier.fetching import installed

    pins = PINS / f"{name}.txt"
    own_pip = _has_pip()
    _run([sys.executable, "-m", "venv", *(["--without-pip"] if own_pip else []), str(folder)], pins)
    packages, python = site_packages(folder), str(folder / "bin" / "python")
    in_own_checkout = caches.shared_path(lock(name)) == lock(
        name
    )  # not on another disk, nor with other users' permissions
    taken = installed.take(requirements(name)["pins"], packages, linked=in_own_checkout)
    pip = [sys.executable, "-m", "pip", "--python", python] if own_pip else [python, "-m", "pip"]
    pip += ["--disable-pip-version-check", "install", "--quiet"]
    for torch in (pin for pin in requirements(name)["pins"] if pin.startswith("torch==")):
        # Its other dependencies differ between platforms (CUDA's libraries), so pip resolves them;
        # the pins name every dependency of the other packages, without optional ones.
        if "torch" not in taken:
            _run([*pip, "--constraint", str(pins), torch], pins)
    _run([*pip, *_own_cache(name), "--no-deps", "--requirement", str(pins)], pins)
    distributions = metadata.distributions(path=[str(packages)])
    found = {one.metadata["Name"]: one.version for one in distributions}
    if missing := installed.lacking(requirements(name)["pins"], found):
        raise UserError(f"cannot build the environment of {pins.name}: it lacks {missing}")
    records = sorted(packages.glob("*.dist-info/RECORD"))
    content = "".join(values.sha256(record) for record in records)
    locked = {
        "name": name,
        **requirements(name),
        # Pins with build settings are compiled here, for this processor's instructions.
        "compiled_for": compiled_for(name),
        "packages": dict(sorted(found.items())),
        "programs": _programs(folder),
        "installed_sha256": hashlib.sha256(content.encode()).hexdigest(),
    }
    files.write_json(folder / "lock.json", locked)


def _own_cache(name: str) -> list[str]:
    """Options that give compiled packages a cache of pip's for their build settings alone.

    In its usual one, pip would take a package that was compiled otherwise, or for another
    processor. Environments with the same settings compile a package once.
    """
    processor = compiled_for(name)
    if processor is None:
        return []
    done = subprocess.run(
        [sys.executable, "-m", "pip", "cache", "dir"], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:  # there is no pip, or it has no cache
        return []
    pins = requirements(name)["pins"]
    built = [pin for pin in pins if pin.endswith("\\") or "--config-settings" in pin]
    variables = (os.environ.get(variable, "") for variable in BUILD_VARIABLES)
    settings = "\n".join((processor, *built, *variables))
    digest = hashlib.sha256(settings.encode()).hexdigest()[:16]
    return ["--cache-dir", str(Path(done.stdout.strip()) / "llm-frontier" / digest)]


def _has_pip() -> bool:
    """True if this program's environment has pip.

    Asks its metadata: looking for the module would make setuptools, imported later in the same
    process, mistake the standard library's distutils for its own and fail.
    """
    return any(metadata.distributions(name="pip"))


def _run(command: list[str], pins: Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        words = [line for line in done.stderr.splitlines() if line.strip()]
        errors = [line for line in words if line.startswith("ERROR")] or words or ["no message"]
        raise UserError(f"cannot build the environment of {pins.name}: {errors[-1]}")
