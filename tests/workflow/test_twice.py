"""The same study twice on one machine, and with other threads and other batches, compared."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from workspace import Workspace

CELL = "tiny-llama/cpu/sums"


@pytest.fixture
def first(place: Workspace, tmp_path: Path) -> Path:
    """The results of a first measurement, of which one cell is to be measured again."""
    folder = tmp_path / "first"
    shutil.copytree(place.path("results"), folder)
    again(place)
    return folder


def again(place: Workspace) -> None:
    """Removes a cell with its measurement, so that nothing of it is reused."""
    for path in place.path(f"results/{CELL}").parent.glob("sums*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def compared(place: Workspace, one: Path, other: Path) -> subprocess.CompletedProcess[str]:
    return place.program("compare_results", str(one), str(other), "--same-answers")


def test_twice_the_same_and_otherwise_counted(place: Workspace, first: Path) -> None:
    """Measured twice, answers are the same; another setting is named, and what it changes counted."""
    place.build(f"results/{CELL}.json")
    here = place.path("results")
    same = compared(place, first / f"{CELL}.json", here / f"{CELL}.json")
    assert same.returncode == 0, same.stdout + same.stderr
    assert "; 0 of 8 answers differ" in same.stdout
    assert "threads:" not in same.stdout

    place.set("devices", "devices/cpu/threads", 2)
    again(place)
    place.build(f"results/{CELL}.json", f"results/{CELL}.offline.json")
    threads = compared(place, first / f"{CELL}.json", here / f"{CELL}.json")
    assert "differs: threads: 1 → 2" in threads.stdout
    assert "setting: device.threads: 1 → 2" in threads.stdout
    batches = compared(place, here / f"{CELL}.json", here / f"{CELL}.offline.json")
    assert "times may not be compared" in batches.stdout
    for found in (threads, batches):
        assert "may be compared" in found.stdout
        assert " of 8 answers differ" in found.stdout
        assert (found.returncode == 0) == ("; 0 of 8 answers differ" in found.stdout)
