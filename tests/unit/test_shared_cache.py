"""A folder that several users share: whatever one of them makes, the others can use and mend."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import hub
import little
from conftest import ROOT
from frontier.host import caches

SCRIPTS = ROOT / "workflow" / "scripts"
GROUP: int | None = 4711
# Several actions as one user, who may not be allowed to read this checkout.
PROGRAM = """
import json, os, sys
from pathlib import Path
import fetch_dataset, fetch_model
from frontier import values
from frontier.host import caches, files
from frontier.errors import run
from frontier.fetching import environments

def main():
    for program, spec in work["specs"]:
        output = f"resources/{program}"
        sys.argv = [program, "--spec", json.dumps(spec), "--output", output]
        if program == "fetch_model":
            sys.argv += ["--lock", f"{output}/lock.json"]
        globals()[program].main()
    def make(new):
        (new / "model.safetensors").write_bytes(b"weights")
        files.write_json(new / "lock.json", {"files": values.facts([new / "model.safetensors"])})
    caches.build_once(Path("resources/quantized/v/e/0123456789abcdef"), make)
    environments.python("x")

def build(new, name):
    (new / "bin").mkdir()
    (new / "bin" / "python").symlink_to("/bin/sh")
    environments.site_packages(new).mkdir(parents=True)
    files.write_json(new / "lock.json", {"compiled_for": None, "packages": {}})

environments._build = build
environments.PINS = Path(__import__("tempfile").mkdtemp())
(environments.PINS / "x.txt").write_text("x==1")

work = json.loads(sys.argv[1])
if work["user"]:  # with another folder first, for what it imports only while it works
    shared, os.environ[caches.VARIABLE] = os.environ[caches.VARIABLE], work["checkout"] + "-first"
    (Path(work["checkout"] + "-own")).mkdir(exist_ok=True)
    os.chdir(work["checkout"] + "-own")
    main()
    os.environ[caches.VARIABLE] = shared
os.chdir(work["checkout"])
os.umask(work["umask"])
if work["user"]:
    os.setgroups([])
    os.setgid(work["group"])
    os.setuid(work["user"])
run(main)
"""


@pytest.fixture
def ground() -> Iterator[Path]:
    """A folder outside pytest's own, which is closed to other users."""
    folder = Path(tempfile.mkdtemp(prefix="shared-cache-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def server(ground: Path) -> Iterator[hub.Hub]:
    """A hub with a model, and a file behind an address."""
    little.checkpoint(ground / "served/models/owner/little")
    for name in ("a", "b"):
        (ground / f"served/files/{name}.tsv").parent.mkdir(exist_ok=True)
        (ground / f"served/files/{name}.tsv").write_text("sentence\tlabel\ngood\t1\n")
    with hub.serve(ground / "served") as served:
        yield served


def use(
    server: hub.Hub, shared: Path, umask: int, file: str = "a", user: int = 0
) -> subprocess.CompletedProcess[str]:
    """Uses a shared folder from a separate checkout, as another user if one is given."""
    checkout = server.root.parent / f"checkout-{user or os.getuid()}"
    checkout.mkdir(exist_ok=True)
    if user:
        os.chown(checkout, user, user)
    repository = server.root / "models/owner/little"
    model = {"hub": "owner/little", "revision": server.commit(repository)}
    source = {"source": {"url": f"{server.url}/files/{file}.tsv"}}
    work = {
        "checkout": str(checkout), "umask": umask, "user": user, "group": GROUP or user,
        "specs": [("fetch_dataset", source), ("fetch_model", model)],
    }  # fmt: skip
    inherited = {key: value for key, value in os.environ.items() if key != "HF_HOME"}
    own = {"PYTHONPATH": str(SCRIPTS), "HF_ENDPOINT": server.url, caches.VARIABLE: str(shared)}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(work)],
        env={**inherited, **own, "HOME": str(checkout)},
        capture_output=True,
        text=True,
        check=False,
    )


def folder(ground: Path, mode: int) -> Path:
    """A shared folder of that mode."""
    shared = ground / "shared"
    shared.mkdir()
    if os.geteuid() == 0:
        os.chown(shared, 0, GROUP or 0)
    shared.chmod(mode)
    return shared


@pytest.mark.parametrize(("mode", "umask"), [(0o2777, 0o077), (0o2770, 0o022), (0o755, 0o077)])
def test_all_is_as_open_as_the_folder(server: hub.Hub, ground: Path, mode: int, umask: int) -> None:
    """This does not depend on the umask; the checkout's own files follow the umask alone."""
    shared = folder(ground, mode)
    done = use(server, shared, umask)
    assert done.returncode == 0, done.stderr
    paths = [path for path in shared.rglob("*") if not path.is_symlink()]
    kinds = {path.relative_to(shared).parts[0] for path in paths}
    assert kinds >= {"downloads", "hub", "quantized", "envs"}
    for path in paths:
        found = stat.S_IMODE(path.stat().st_mode)
        wanted = mode & (0o777 if path.is_dir() else 0o666)
        if path.suffix == ".lock":
            found &= wanted  # they are empty, and may be open to more users
        assert found & 0o777 == wanted, f"{path}: {found:o}"
    own = ground / f"checkout-{os.getuid()}" / "resources"
    locks = [path for path in own.rglob("lock.json") if not path.is_symlink()]
    assert len(locks) == 4
    assert {stat.S_IMODE(path.stat().st_mode) for path in locks} == {0o666 & ~umask}


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two other users")


@needs_root
@pytest.mark.parametrize(("mode", "umask"), [(0o2770, 0o022), (0o777, 0o077)])
def test_two_users(
    server: hub.Hub, ground: Path, umask: int, mode: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second uses the first one's results, adds to them, and repairs damaged ones."""
    shared = folder(ground, mode)
    if mode == 0o777:  # for users that have no group in common
        os.chown(shared, 0, 0)
        monkeypatch.setitem(globals(), "GROUP", None)
    for user, file in ((1001, "a"), (1002, "b"), (1001, "b")):
        done = use(server, shared, umask, file, user)
        assert done.returncode == 0, done.stderr
    quantized = shared / "quantized/v/e/0123456789abcdef/model.safetensors"
    quantized.write_bytes(b"cut")
    assert quantized.stat().st_uid == 1001
    assert use(server, shared, umask, "a", 1002).returncode == 0
    assert quantized.read_bytes() == b"weights"
    assert quantized.stat().st_uid == 1002


@needs_root
@pytest.mark.parametrize("closed", [".", "hub", "quantized/v/e"])
def test_a_part_that_is_closed_is_reported_in_one_line(
    server: hub.Hub, ground: Path, closed: str
) -> None:
    """The line says what to do about it, and who can."""
    shared = folder(ground, 0o2777)
    assert use(server, shared, 0o022, user=1001).returncode == 0
    os.chown(shared / closed, 1001, 1001)
    (shared / closed).chmod(0o700)
    done = use(server, shared, 0o022, "b", user=1002)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    *_, last = done.stderr.strip().splitlines()
    assert last.startswith(f"error: {shared}"), last
    assert f"chmod -R g+rwX {shared}" in last


def test_a_file_in_its_place(ground: Path, server: hub.Hub) -> None:
    (ground / "shared").write_text("")
    done = use(server, ground / "shared", 0o022)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].endswith("shared: not a folder")
