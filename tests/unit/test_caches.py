"""One folder shared by several checkouts: each entry is built once, by the first, never partly."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT
from frontier.host import caches, locks
from waiting import PATIENCE_S, text_of, wait_until

SCRIPTS = ROOT / "workflow" / "scripts"
# Makes a folder, slowly and in two steps; notes that it did.
MAKE = """
import os, sys, time
from pathlib import Path
from frontier import values
from frontier.host import caches, files, locks
os.chdir(sys.argv[1])
def make(new):
    with open(sys.argv[2], "a") as log:
        log.write("made\\n")
    (new / "model.safetensors").write_bytes(b"first half, ")
    time.sleep(float(sys.argv[3]))
    with (new / "model.safetensors").open("ab") as file:
        file.write(b"second half")
    files.write_json(new / "lock.json", {"files": values.facts([new / "model.safetensors"])})
caches.build_once(Path("resources/quantized/v/e/0123456789abcdef"), make)
"""
OWN = Path("resources/quantized/v/e/0123456789abcdef")


def start(checkout: Path, shared: Path, log: Path, seconds: float) -> subprocess.Popen[bytes]:
    """A process of a checkout that makes the folder."""
    checkout.mkdir(exist_ok=True)
    environment = os.environ | {caches.VARIABLE: str(shared), "PYTHONPATH": str(SCRIPTS)}
    return subprocess.Popen(
        [sys.executable, "-c", MAKE, str(checkout), str(log), str(seconds)], env=environment
    )


def check(checkout: Path) -> None:
    """The checkout has it whole."""
    folder = checkout / OWN
    locks.check_lock(folder)
    assert (folder / "model.safetensors").read_bytes() == b"first half, second half"
    assert not (folder / "lock.json").is_symlink()


def test_two_checkouts_at_once(tmp_path: Path) -> None:
    """Both have it in the end, and it was built once."""
    shared, log = tmp_path / "shared", tmp_path / "log"
    checkouts = [tmp_path / f"checkout{n}" for n in range(4)]
    racing = [start(one, shared, log, 0.5) for one in checkouts]
    assert [one.wait(PATIENCE_S) for one in racing] == [0] * 4
    assert log.read_text() == "made\n"
    for one in checkouts:
        check(one)


def test_killed_while_making(tmp_path: Path) -> None:
    """The next one makes it, from the beginning; no half of it is left."""
    shared, log = tmp_path / "shared", tmp_path / "log"
    first = start(tmp_path / "a", shared, log, 600)
    wait_until(lambda: text_of(log), "it is being made", first)
    first.kill()
    first.wait()
    assert start(tmp_path / "b", shared, log, 0).wait(PATIENCE_S) == 0
    check(tmp_path / "b")
    assert log.read_text() == "made\nmade\n"
    left = {path.name for path in (shared / "quantized/v/e").iterdir()}
    assert left - {f"{OWN.name}.lock"} == {OWN.name}  # the lock's file stays, free


def test_a_damaged_copy_is_made_again(tmp_path: Path) -> None:
    """Its files are not as its lock says."""
    shared, log = tmp_path / "shared", tmp_path / "log"
    assert start(tmp_path / "a", shared, log, 0).wait(PATIENCE_S) == 0
    (shared / "quantized/v/e" / OWN.name / "model.safetensors").write_bytes(b"cut")
    assert start(tmp_path / "b", shared, log, 0).wait(PATIENCE_S) == 0
    check(tmp_path / "b")


def test_without_a_shared_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All is the checkout's own; what was given by hand lies where it says."""
    monkeypatch.delenv(caches.VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    assert caches.shared_path(OWN) == OWN
    monkeypatch.setenv(caches.VARIABLE, "~/shared")
    assert caches.shared_path(OWN) == Path.home() / "shared/quantized/v/e" / OWN.name
    assert caches.shared_path(tmp_path / "by-hand") == tmp_path / "by-hand"


def test_the_lock_is_the_checkouts_own(tmp_path: Path) -> None:
    """Deleting it in one checkout, as Snakemake does before a job, takes nothing from others."""
    shared, log = tmp_path / "shared", tmp_path / "log"
    for name in ("a", "b"):
        assert start(tmp_path / name, shared, log, 0).wait(PATIENCE_S) == 0
    (tmp_path / "a" / OWN / "lock.json").unlink()
    check(tmp_path / "b")
    assert json.loads((shared / "quantized/v/e" / OWN.name / "lock.json").read_text())["files"]
    assert start(tmp_path / "a", shared, log, 0).wait(PATIENCE_S) == 0
    assert log.read_text() == "made\n"
