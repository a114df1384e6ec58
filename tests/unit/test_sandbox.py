"""The sandbox of generated code: what it must hold, as root and as an ordinary user."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import hostile
from conftest import ROOT

SCRIPTS = ROOT / "workflow/scripts"
MODES = ("root", "user")
NOBODY = "65534"
SHORT_S, LONG_S = 0.3, 60.0
UNUSED = shutil.ignore_patterns(
    "site-packages", "test", "tests", "idlelib", "ensurepip", "tkinter", "lib2to3", "config-*"
)


@dataclass
class Found:
    """The verdicts of all programs by name, and what was left over."""

    verdicts: dict[str, tuple[str, str]]
    left: bool
    files: list[str]


def readable_python(folder: Path) -> Path:
    """This interpreter, copied to where any user can read it."""
    base, version = Path(sys.base_prefix), sysconfig.get_python_version()
    own = folder / "python"
    (own / "bin").mkdir(parents=True)
    shutil.copy(base / f"bin/python{version}", own / "bin")
    shutil.copytree(base / f"lib/python{version}", own / f"lib/python{version}", ignore=UNUSED)
    for library in (base / "lib").glob("libpython*.so*"):
        shutil.copy(library, own / "lib")
    return own / f"bin/python{version}"


def start(folder: Path, mode: str) -> tuple[list[str], dict[str, str]]:
    """The command and the variables of a process of one mode."""
    if mode == "root" and os.geteuid() != 0:
        pytest.skip("as root: the tests run as an ordinary user")
    for name in ("frontier", "home", "tmp"):
        (folder / name).mkdir()
    shutil.copy(SCRIPTS / "frontier/__init__.py", folder / "frontier")
    shutil.copytree(SCRIPTS / "frontier/sandbox", folder / "frontier/sandbox")
    (folder / "home/secret").write_text("canary")
    (folder / "in_sandbox.py").write_text((ROOT / "tests/in_sandbox.py").read_text())
    (folder / "home").chmod(0o777)
    (folder / "tmp").chmod(0o777)
    variables = {
        "PATH": os.environ["PATH"], "HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp"),
        "HF_TOKEN": "canary",
    }  # fmt: skip
    python = Path(sys.base_prefix, f"bin/python{sysconfig.get_python_version()}")
    command = []
    if mode == "user" and os.geteuid() == 0:
        python = readable_python(folder)
        variables["LD_LIBRARY_PATH"] = str(folder / "python/lib")
        command = [
            "setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups",
            "--inh-caps=-all", "--bounding-set=-all",
        ]  # fmt: skip
    return [*command, str(python), "-B", str(folder / "in_sandbox.py"), str(folder)], variables


@pytest.fixture(scope="module", params=MODES)
def folder(request: pytest.FixtureRequest) -> Iterator[tuple[Path, str]]:
    """A folder that every user can read, and a mode."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name), request.param


@pytest.fixture(scope="module")
def ran(folder: tuple[Path, str]) -> Found:
    """The verdicts on all hostile programs in one mode; little time for those that never end."""
    place, mode = folder
    command, variables = start(place, mode)
    names = [*hostile.ALL]
    with socket.create_server(("127.0.0.1", 0)) as server:
        port, home = server.getsockname()[1], variables["HOME"]

        def program(name: str) -> dict[str, Any]:
            code = hostile.ALL[name][0]
            if "{home" in code or "{port" in code:
                code = code.format(home=home, port=port)
            return {"code": code, "test": hostile.TEST, "entry_point": "f"}

        short = [*hostile.ENDLESS, *hostile.GROWING]
        long = [name for name in names if name not in short]
        job = [[SHORT_S, [*map(program, short)]], [LONG_S, [*map(program, long)]]]
        done = subprocess.run(
            command, env=variables, input=json.dumps(job), capture_output=True, text=True
        )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    if found["reason"]:
        pytest.skip(f"as {mode}: {found['reason']}")
    verdicts = [one for group in found["verdicts"] for one in group]
    words = {True: "passed", False: "failed", None: "unscored"}
    by_name = {
        name: ("timed out" if reason == "timed out" else words[passed], reason)
        for name, (passed, reason) in zip([*short, *long], verdicts, strict=True)
    }
    return Found(by_name, found["left"], found["files"])


@pytest.mark.parametrize("name", hostile.ALL)
def test_hostile_programs_are_held(ran: Found, name: str) -> None:
    """None passes, none spies, none outlives its sandbox; right programs pass."""
    verdict, reason = ran.verdicts[name]
    assert verdict in hostile.ALL[name][1], reason


def test_nothing_is_left_over(ran: Found) -> None:
    """No process, and no file outside the sandbox."""
    assert not ran.left
    assert ran.files == []
